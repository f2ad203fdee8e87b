#include "daemon/workflow/schema.hpp"

#include <array>

namespace swarm::workflow {
namespace {

// `data` is the whole record (model.hpp), encoded; the columns beside it are what is searched for. Votes are rows of
// their own, and every change of one is kept in wf_vote_log. wf_due holds each deadline once, as a moment of the
// engine's time: a pause of a run moves its rows and nothing else. wf_runs.active: 0 over, 1 under way, 2 halted.
// wf_clock is the latest moment at which something was decided, and how long the engine has stood still in all.
// wf_offline: swarms whose sandbox cannot be reached, and since when.
constexpr std::array kMigrations = {
    store::Migration{1, "workflow", R"(
      CREATE TABLE wf_clock (
        one INTEGER PRIMARY KEY CHECK (one = 1), last_us INTEGER NOT NULL, paused_us INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE wf_runs (
        id TEXT PRIMARY KEY, number INTEGER NOT NULL, swarm TEXT NOT NULL, active INTEGER NOT NULL, data BLOB NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX wf_runs_by_swarm ON wf_runs (swarm, number);
      CREATE INDEX wf_runs_active ON wf_runs (active) WHERE active > 0;
      CREATE TABLE wf_steps (
        run TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, state INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (run, number)
      ) STRICT, WITHOUT ROWID;
      CREATE UNIQUE INDEX wf_steps_by_key ON wf_steps (run, key);
      CREATE INDEX wf_steps_open ON wf_steps (run, number) WHERE state = 1;
      CREATE TABLE wf_tasks (
        id TEXT PRIMARY KEY, run TEXT NOT NULL, number INTEGER NOT NULL, state INTEGER NOT NULL, agent TEXT,
        data BLOB NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE UNIQUE INDEX wf_tasks_by_run ON wf_tasks (run, number);
      CREATE TABLE wf_reviews (
        id TEXT PRIMARY KEY, run TEXT NOT NULL, task TEXT NOT NULL, number INTEGER NOT NULL, state INTEGER NOT NULL,
        data BLOB NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX wf_reviews_by_run ON wf_reviews (run, number);
      CREATE INDEX wf_reviews_by_task ON wf_reviews (task, number);
      CREATE TABLE wf_proposals (
        id TEXT PRIMARY KEY, run TEXT NOT NULL, number INTEGER NOT NULL, state INTEGER NOT NULL, data BLOB NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX wf_proposals_by_run ON wf_proposals (run, number);
      CREATE TABLE wf_votes (
        proposal TEXT NOT NULL, voter TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (proposal, voter)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE wf_vote_log (
        number INTEGER PRIMARY KEY, proposal TEXT NOT NULL, voter TEXT NOT NULL, data BLOB NOT NULL
      ) STRICT;
      CREATE TABLE wf_questions (
        id TEXT PRIMARY KEY, run TEXT NOT NULL, number INTEGER NOT NULL, state INTEGER NOT NULL, data BLOB NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX wf_questions_by_run ON wf_questions (run, number);
      CREATE TABLE wf_due (
        kind INTEGER NOT NULL, id TEXT NOT NULL, run TEXT NOT NULL, due_us INTEGER NOT NULL, PRIMARY KEY (kind, id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX wf_due_by_time ON wf_due (due_us);
      CREATE INDEX wf_due_by_run ON wf_due (run);
      CREATE TABLE wf_offline (swarm TEXT PRIMARY KEY, since_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    )"},
};

}  // namespace

const store::Domain kWorkflowDomain{"workflow", kMigrations};

}  // namespace swarm::workflow
