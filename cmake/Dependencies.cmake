# Third parties, all from Debian 12. Each becomes an imported target, so that its headers count as system headers.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(uv REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(sqlite REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(fmt REQUIRED IMPORTED_TARGET fmt)
pkg_check_modules(spdlog REQUIRED IMPORTED_TARGET spdlog)
pkg_check_modules(git2 REQUIRED IMPORTED_TARGET libgit2)
pkg_check_modules(curl REQUIRED IMPORTED_TARGET libcurl)
find_package(nlohmann_json REQUIRED)
find_package(wslay REQUIRED)  # WebSocket frames; Debian's package has no pkg-config file
