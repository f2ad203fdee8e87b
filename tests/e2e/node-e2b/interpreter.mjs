// The official code interpreter SDK, as it is published, against a sandbox of the data template: test_template.py.
import assert from 'node:assert/strict'
import { Sandbox } from '@e2b/code-interpreter'

const box = await Sandbox.create({ timeoutMs: 120_000 }) // of the template that the SDK asks for by itself
try {
  const streamed = []
  const first = await box.runCode('import sys\nx = 20\nprint("out")\nprint("err", file=sys.stderr)\nx + 22', {
    onStdout: (line) => streamed.push(line.line),
    onResult: (result) => streamed.push(result.text),
  })
  assert.equal(first.text, '42')
  assert.deepEqual(first.logs, { stdout: ['out\n'], stderr: ['err\n'] })
  assert.deepEqual(streamed, ['out\n', '42'])
  assert.equal(first.error, undefined)
  assert.equal((await box.runCode('x')).text, '20') // the context is kept
  assert.equal((await box.runCode("'words'")).text, 'words')

  const failed = await box.runCode('1 / 0')
  assert.equal(failed.error.name, 'ZeroDivisionError')
  assert.equal(failed.error.value, 'division by zero')
  assert.match(failed.error.traceback, /ZeroDivisionError/)
  assert.equal((await box.runCode('def f(:')).error.name, 'SyntaxError')

  const other = await box.createCodeContext({ cwd: '/tmp' })
  assert.equal(other.cwd, '/tmp')
  assert.equal((await box.runCode('x', { context: other })).error.name, 'NameError')
  assert.equal((await box.runCode('import os; os.getcwd()', { context: other })).text, '/tmp')
  assert.ok((await box.listCodeContexts()).some((one) => one.id === other.id))
  await box.runCode('y = 1', { context: other })
  await box.restartCodeContext(other)
  assert.equal((await box.runCode('y', { context: other })).error.name, 'NameError')
  await box.removeCodeContext(other)
  assert.ok(!(await box.listCodeContexts()).some((one) => one.id === other.id))
  await assert.rejects(box.runCode('1', { context: other }), /not found/)

  const env = await box.runCode('import os; os.environ["GIVEN"]', { envs: { GIVEN: 'yes' } })
  assert.equal(env.text, 'yes')
  assert.equal((await box.runCode('"GIVEN" in os.environ')).text, 'False')

  const table = await box.runCode('import pandas as pd\npd.DataFrame({"a": [1, 2], "b": ["x", "y"]})')
  assert.deepEqual(table.results[0].data, { a: [1, 2], b: ['x', 'y'] })
  assert.match(table.results[0].html, /<table/)

  const chart = await box.runCode('import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title("t")\nplt.show()')
  assert.equal(chart.error, undefined, chart.error?.traceback)
  const png = chart.results.map((result) => result.png).find(Boolean)
  assert.equal(Buffer.from(png, 'base64').subarray(1, 4).toString(), 'PNG')
  assert.equal((await box.runCode('import numpy as np; int(np.arange(10).sum())')).text, '45')

  // Who goes away interrupts: the context can be used again, and what it had is kept.
  await assert.rejects(box.runCode('import time\nwhile True: time.sleep(0.1)', { timeoutMs: 1000 }))
  assert.equal((await box.runCode('x')).text, '20')
  await assert.rejects(box.runCode('1', { language: 'r' }), /400/) // it says no more than the status

  // Its files are those of the sandbox, and it runs as its user.
  await box.files.write('/home/user/numbers.csv', 'n\n1\n2\n')
  assert.equal((await box.runCode('int(pd.read_csv("numbers.csv").n.sum())')).text, '3')
  assert.equal((await box.runCode('os.getuid()')).text, '1000')
} finally {
  await box.kill()
}
process.exit(0) // a refused request leaves a timer of a minute behind in the SDK
