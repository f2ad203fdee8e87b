#include <array>

#include "daemon/workflow/definition.hpp"

namespace swarm::workflow {
namespace {

constexpr std::string_view kAutonomousDev = R"toml(name = "autonomous-dev"
title = "From a sentence to reviewed, tested, merged commits"
brief = """
You are {{agent}} ({{role}}) in a team of agents that works on the repository in your current directory.
What the team shall make: {{feature}}

Ask for your next piece of work with `swarm task next --wait 10m`, do it, hand it in as it says, and ask again until it
says that the run has ended. Commit with `swarm commit`. Answer only through `swarm`; nobody reads what you print.
"""

[limits]
run = "4h"
lease = "15m"
reserve = "5m"
attempts = 4

[[phase]]
name = "research"
kind = "answer"
role = "researcher"
title = "Find out what the work rests on"
prompt = """
Look at the repository and find out what is needed for: {{feature}}
Name the files that matter, how the project is built and tested ({{test_command}}), and what could go wrong.
Change nothing. Hand in what you found with `swarm task done {{task}} --answer-file FILE`.
"""

[[phase]]
name = "plan"
kind = "answer"
role = "planner"
title = "Plan the work"
tasks = 1
prompt = """
Cut the work into tasks that several agents can do side by side: {{feature}}
What was found out: {{answer.research}}

Add each with `swarm task add TITLE --body TEXT --file PATH --needs TITLE --skill NAME`; let two tasks touch the same
file only where one needs the other. Then `swarm task done {{task}} --answer "the plan in a few sentences"`.
"""

[[phase]]
name = "implement"
kind = "implement"
prompt = """
{{title}}

{{body}}

Part of: {{feature}}
{{reason}}
Bring your branch up to date with `swarm sync`, make the change with its tests, run `{{test_command}}`, commit with
`swarm commit -m MESSAGE`, and hand it in with `swarm task done {{task}} --summary TEXT`. What you cannot do:
`swarm task block {{task}} --reason TEXT` or `swarm task fail {{task}} --reason TEXT`.
"""

[[phase]]
name = "review"
kind = "review"
count = 1
rounds = 3
deadline = "15m"
prompt = """
Look at the change of another agent: {{title}}
{{summary}}

Read it (`swarm diff {{commit}}`), run its tests, look for what is wrong or missing. Then
`swarm review submit {{review}} --approve`, or `--request-changes --finding SEVERITY:FILE:LINE:TEXT`, or `--challenge`
where it should not be made in this way at all.
"""

[[phase]]
name = "consensus"
kind = "consensus"
method = "majority"
quorum = 0.5
tie_break = "lead"
deadline = "10m"
fallback = "change"

[[phase]]
name = "integrate"
kind = "integrate"
order = "task"

[[phase]]
name = "test"
kind = "test"
rounds = 2

[[phase]]
name = "deliver"
kind = "deliver"
title = "{{feature}}"
)toml";

constexpr std::string_view kCodeReview = R"toml(name = "code-review"
title = "Everybody reads the code and reports; one sums it up"
brief = """
You are {{agent}} ({{role}}). The team reviews the repository in your current directory: {{feature}}
Ask for work with `swarm task next --wait 10m` until the run has ended.
"""

[limits]
run = "1h"

[[phase]]
name = "read"
kind = "answer"
title = "Read and report"
each = true
prompt = """
Review: {{feature}}
Report what is wrong, each with file, line, how bad it is, and what shows it. Change nothing.
`swarm task done {{task}} --answer-file FILE`
"""

[[phase]]
name = "report"
kind = "answer"
role = "lead"
title = "Sum it up"
prompt = """
Make one report of these, worst first; leave out what you cannot confirm yourself:
{{answer.read}}
`swarm task done {{task}} --answer-file FILE`
"""
)toml";

constexpr std::string_view kResearch = R"toml(name = "research"
title = "Several look into a question; one answers it"

[limits]
run = "2h"

[[phase]]
name = "look"
kind = "answer"
title = "Look into the question"
each = true
prompt = """
Find out: {{feature}}
Say what you found, and where. `swarm task done {{task}} --answer-file FILE`
"""

[[phase]]
name = "answer"
kind = "answer"
role = "lead"
title = "Answer the question"
prompt = """
Answer: {{feature}}
What the others found:
{{answer.look}}
`swarm task done {{task}} --answer-file FILE`
"""
)toml";

constexpr std::string_view kCiFix = R"toml(name = "ci-fix"
title = "Make a red build green"

[limits]
run = "2h"
attempts = 5

[[phase]]
name = "diagnose"
kind = "answer"
title = "Find out why it is red"
tasks = 1
prompt = """
The build is red: {{feature}}
Run `{{test_command}}`, find the causes, and add a task for each:
`swarm task add TITLE --kind fix --proof COMMAND --body TEXT`, where COMMAND fails now and passes when it is mended.
Then `swarm task done {{task}} --answer "the causes"`.
"""

[[phase]]
name = "implement"
kind = "implement"
prompt = """
{{title}}

{{body}}
{{reason}}
Mend the cause, not the test. `swarm commit -m MESSAGE`, then `swarm task done {{task}} --summary TEXT`.
"""

[[phase]]
name = "review"
kind = "review"
count = 1
rounds = 2
prompt = "{{title}}: {{summary}}\nIs the cause mended, and nothing else changed? `swarm review submit {{review}} ...`"

[[phase]]
name = "integrate"
kind = "integrate"
order = "ready"

[[phase]]
name = "test"
kind = "test"
rounds = 3

[[phase]]
name = "deliver"
kind = "deliver"
title = "Mend the build"
)toml";

constexpr std::string_view kBugHunt = R"toml(name = "bug-hunt"
title = "Look for faults, prove each, mend it"

[limits]
run = "4h"

[[phase]]
name = "hunt"
kind = "answer"
title = "Look for faults"
each = true
prompt = """
Look for faults in: {{feature}}
Add a task for each that you can prove: `swarm task add TITLE --kind fix --proof COMMAND --file PATH --body TEXT`, where
COMMAND fails because of it. Then `swarm task done {{task}} --answer "what you looked at"`.
"""

[[phase]]
name = "implement"
kind = "implement"
prompt = """
{{title}}

{{body}}
{{reason}}
Mend it with a test that fails without. `swarm commit -m MESSAGE`, then `swarm task done {{task}} --summary TEXT`.
"""

[[phase]]
name = "review"
kind = "review"
count = 1
prompt = "{{title}}: {{summary}}\nIs the fault real and mended? `swarm review submit {{review}} ...`"

[[phase]]
name = "consensus"
kind = "consensus"

[[phase]]
name = "integrate"
kind = "integrate"
order = "ready"

[[phase]]
name = "test"
kind = "test"

[[phase]]
name = "deliver"
kind = "deliver"
title = "Mended faults: {{feature}}"
)toml";

constexpr std::array kAll = {BuiltIn{"autonomous-dev", kAutonomousDev}, BuiltIn{"bug-hunt", kBugHunt},
                             BuiltIn{"ci-fix", kCiFix}, BuiltIn{"code-review", kCodeReview},
                             BuiltIn{"research", kResearch}};

}  // namespace

std::span<const BuiltIn> built_in_workflows() { return kAll; }

}  // namespace swarm::workflow
