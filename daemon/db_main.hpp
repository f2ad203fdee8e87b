#pragma once

namespace swarm {

/// `swarmd db check|backup FILE|restore FILE`: works on the database while no daemon has it open; prints the same JSON
/// as the methods. Gives the exit status; what is wrong goes to standard error as a sentence.
int db_main(int argc, const char* const* argv);

}  // namespace swarm
