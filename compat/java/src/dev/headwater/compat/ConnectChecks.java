package dev.headwater.compat;

final class ConnectChecks { static void register(Suite suite) {} }
