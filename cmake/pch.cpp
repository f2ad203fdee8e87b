// Carries the precompiled header; see cmake/Helpers.cmake.
