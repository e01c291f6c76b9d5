//! The live page: its JSON and SSE API, and the built assets it serves.
