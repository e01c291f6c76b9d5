//! The page's server as a browser and as programs meet it.

mod scripted;
