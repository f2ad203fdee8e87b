#pragma once
// System calls as the launcher wants them: an empty string or a sentence with call, argument and reason.

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace swarm::local {

/// "mount '/sys/0': Permission denied", from errno.
std::string failed(std::string_view call, std::string_view argument);

/// Writes the whole text with one write(2), as files below /proc and /sys want it. Empty on success.
std::string write_file(const std::string& path, std::string_view text);

/// Everything up to the end of file. False on a read error.
bool read_all(int fd, std::string& bytes);

/// Prints one line to stderr.
void say(std::string_view sentence);

/// execv with an empty environment. Returns only on failure, with errno set.
void exec(const std::vector<std::string>& argv);

/// Waits for a child: its exit status, or 128 + the signal.
int exit_status(pid_t child);

/// Closes every descriptor from 3 on that is not in `keep`, and lets those that are pass exec.
std::string close_all_but(std::vector<int> keep);

}  // namespace swarm::local
