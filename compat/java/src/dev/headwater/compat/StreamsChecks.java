package dev.headwater.compat;

final class StreamsChecks { static void register(Suite suite, String headwater) {} }
