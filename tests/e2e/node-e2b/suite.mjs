// What a program does with the official E2B SDK, case by case: `node suite.mjs PACKAGE CASE`. The package is used as it
// was published; the environment leads it to the endpoint. A case that throws fails.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import https from 'node:https'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'

const [name, wanted] = process.argv.slice(2)
const sdk = await import(name)
const { Sandbox, CommandExitError, TimeoutError, NotFoundError } = sdk

// Which methods of the SDK were called, for who compares that with its type definitions.
const called = new Set()
const watched = new Set()
const handles = ['CommandHandle', 'WatchHandle', 'SandboxPaginator', 'SnapshotPaginator']
/** Notes every call of a method of `object`, whose class is told as `as`. */
function watch(object, as) {
  if (!object || watched.has(object)) return
  watched.add(object)
  for (const name of Object.getOwnPropertyNames(object)) {
    const { value, writable } = Object.getOwnPropertyDescriptor(object, name)
    if (typeof value !== 'function' || !writable || name === 'constructor') continue
    object[name] = function (...words) {
      called.add(`${as}.${name}`)
      const answer = value.apply(this, words)
      const look = (made) => {
        const kind = made?.constructor?.name
        if (handles.includes(kind)) {
          for (let at = Object.getPrototypeOf(made); at !== Object.prototype; at = Object.getPrototypeOf(at)) watch(at, kind)
        }
        return made
      }
      return answer instanceof Promise ? answer.then(look) : look(answer)
    }
  }
}
if (process.env.E2B_CALLED) {
  const { appendFileSync } = await import('node:fs')
  for (let at = sdk.Sandbox; at && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
    watch(at, 'Sandbox')
    watch(at.prototype, 'Sandbox')
  }
  for (const kind of ['Volume', 'Secret', 'Git']) {
    watch(sdk[kind], kind)
    watch(sdk[kind]?.prototype, kind)
  }
  watch(sdk.Template, 'Template')
  if (sdk.Template) {
    for (let at = Object.getPrototypeOf(sdk.Template()); at !== Object.prototype; at = Object.getPrototypeOf(at)) watch(at, 'Template')
  }
  process.on('exit', () => appendFileSync(process.env.E2B_CALLED, [...called].map((one) => one + '\n').join('')))
}

const decoder = new TextDecoder()
const until = async (condition, what, seconds = 20) => {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > end) throw new Error(`${what} did not come within ${seconds} s`)
    await new Promise((done) => setTimeout(done, 20)) // polls with a deadline; nothing depends on the pause
  }
}

/** A case with a sandbox of its own. */
const within = (work, options) => async () => {
  const box = await Sandbox.create({ timeoutMs: 120_000, ...options })
  if (process.env.E2B_CALLED) {
    for (const [part, kind] of Object.entries({ files: 'Filesystem', commands: 'Commands', pty: 'Pty' })) {
      watch(Object.getPrototypeOf(box[part]), kind)
    }
  }
  try {
    await work(box)
  } finally {
    await box.kill()
  }
}

const cases = {
  async lifecycle() {
    const box = await Sandbox.create({ timeoutMs: 61_500, metadata: { owner: 'suite' } })
    assert.match(box.sandboxId, /^[a-z0-9]{21}$/)
    assert.equal(await box.isRunning(), true)
    const info = await box.getInfo()
    assert.equal(info.sandboxId, box.sandboxId)
    assert.deepEqual(info.metadata, { owner: 'suite' })
    assert.equal(info.state, 'running')
    assert.ok(info.endAt - info.startedAt > 61_000 && info.endAt - info.startedAt < 63_000)
    const full = await Sandbox.getFullInfo(box.sandboxId)
    assert.equal(full.sandboxId, box.sandboxId)
    const again = await Sandbox.connect(box.sandboxId)
    assert.equal((await again.commands.run('echo again')).stdout, 'again\n')
    assert.equal(await box.kill(), true)
    assert.equal(await box.kill(), false)
    assert.equal(await Sandbox.kill(box.sandboxId), false)
    assert.equal(await box.isRunning(), false)
    await assert.rejects(Sandbox.getInfo(box.sandboxId), NotFoundError)
    await assert.rejects(Sandbox.connect(box.sandboxId), NotFoundError)
  },

  async refusals() {
    await assert.rejects(Sandbox.create({ apiKey: 'e2b_' + '0'.repeat(40) }), /invalid API key|Unauthorized/i)
    await assert.rejects(Sandbox.create('no-such-template'), /not found/)
    await assert.rejects(Sandbox.create({ timeoutMs: 1000 * 3600 * 1000 }), /timeout/)
  },

  'commands: foreground': within(async (box) => {
    const done = await box.commands.run('echo out; echo err >&2')
    assert.deepEqual([done.stdout, done.stderr, done.exitCode], ['out\n', 'err\n', 0])
    const heard = []
    await box.commands.run('printf abc', { onStdout: (text) => heard.push(text) })
    assert.equal(heard.join(''), 'abc')
    const failed = await box.commands.run('echo no; exit 3').catch((error) => error)
    assert.ok(failed instanceof CommandExitError)
    assert.deepEqual([failed.exitCode, failed.stdout], [3, 'no\n'])
    const missing = await box.commands.run('no-such-program').catch((error) => error)
    assert.equal(missing.exitCode, 127)
    assert.equal((await box.commands.run('echo é | cat')).stdout, 'é\n')
  }),

  'commands: environment, directory, user': within(
    async (box) => {
      assert.equal((await box.commands.run('echo $GLOBAL $OWN', { envs: { OWN: '2' } })).stdout, '1 2\n')
      assert.equal((await box.commands.run('echo $GLOBAL', { envs: { GLOBAL: 'x' } })).stdout, 'x\n')
      assert.equal((await box.commands.run('pwd')).stdout, '/home/user\n')
      assert.equal((await box.commands.run('pwd', { cwd: '/tmp' })).stdout, '/tmp\n')
      assert.equal((await box.commands.run('whoami; echo $HOME')).stdout, 'user\n/home/user\n')
      assert.equal((await box.commands.run('whoami', { user: 'root' })).stdout, 'root\n')
      assert.match((await box.commands.run('echo $E2B_SANDBOX_ID')).stdout, new RegExp(box.sandboxId))
      await assert.rejects(box.commands.run('true', { cwd: '/nonexistent' }))
      await assert.rejects(box.commands.run('true', { user: 'nobody-of-that-name' }))
    },
    { envs: { GLOBAL: '1' } },
  ),

  'commands: background, list, kill': within(async (box) => {
    const handle = await box.commands.run('echo on; sleep 1000', { background: true })
    assert.ok(handle.pid > 0)
    await until(() => handle.stdout === 'on\n', 'output')
    const listed = (await box.commands.list()).find((one) => one.pid === handle.pid)
    assert.equal(listed.cmd, '/bin/bash')
    assert.deepEqual(listed.args, ['-l', '-c', 'echo on; sleep 1000'])
    assert.equal(await handle.kill(), true)
    await assert.rejects(handle.wait(), CommandExitError)
    assert.equal(await box.commands.kill(handle.pid), false)
    assert.equal((await box.commands.list()).some((one) => one.pid === handle.pid), false)
  }),

  'commands: what is left running goes on': within(async (box) => {
    const done = await box.commands.run('(sleep 2; echo late > /tmp/late) >/dev/null 2>&1 & echo started')
    assert.equal(done.stdout, 'started\n')
    await until(() => box.files.exists('/tmp/late'), 'the file')
  }),

  'commands: input': within(async (box) => {
    const handle = await box.commands.run('read a; echo "got $a"; cat', { background: true, stdin: true })
    await box.commands.sendStdin(handle.pid, 'one\n')
    await until(() => handle.stdout === 'got one\n', 'the first line')
    await box.commands.sendStdin(handle.pid, 'two\n')
    await until(() => handle.stdout.endsWith('two\n'), 'the second line')
    await box.commands.closeStdin(handle.pid)
    assert.equal((await handle.wait()).exitCode, 0)
  }),

  'commands: timeouts': within(async (box) => {
    const began = Date.now()
    await assert.rejects(box.commands.run('sleep 100', { timeoutMs: 700 }), TimeoutError)
    assert.ok(Date.now() - began < 10_000)
    await until(async () => !(await box.commands.list()).some((one) => one.args.includes('sleep 100')), 'its end')
    const long = await box.commands.run('sleep 1; echo done', { timeoutMs: 0 })
    assert.equal(long.stdout, 'done\n')
  }),

  'commands: connect again': within(async (box) => {
    const handle = await box.commands.run('echo a; read x; echo b; exit 4', { background: true, stdin: true })
    await until(() => handle.stdout === 'a\n', 'output')
    await handle.disconnect()
    const again = await box.commands.connect(handle.pid)
    assert.equal(again.pid, handle.pid)
    await box.commands.sendStdin(handle.pid, '\n')
    const end = await again.wait().catch((error) => error)
    assert.deepEqual([end.exitCode, end.stdout], [4, 'b\n'])
    await assert.rejects(box.commands.connect(999999))
  }),

  'commands: much output': within(async (box) => {
    // More at once than is kept of a process that nobody reads would end the stream: here that is documented.
    const done = await box.commands.run('head -c 500000 /dev/zero | tr "\\0" x', { timeoutMs: 0 })
    assert.equal(done.stdout.length, 500_000)
  }),

  'commands: many at once': within(async (box) => {
    const all = await Promise.all([...Array(30).keys()].map((i) => box.commands.run(`echo ${i}`)))
    assert.deepEqual(all.map((one) => one.stdout), [...Array(30).keys()].map((i) => `${i}\n`))
  }),

  'files: all operations': within(async (box) => {
    const written = await box.files.write('dir/a.txt', 'hello')
    assert.equal(written.path, '/home/user/dir/a.txt')
    assert.equal(await box.files.read('dir/a.txt'), 'hello')
    assert.equal(decoder.decode(await box.files.read('dir/a.txt', { format: 'bytes' })), 'hello')
    assert.equal(await (await box.files.read('dir/a.txt', { format: 'blob' })).text(), 'hello')
    const stream = await box.files.read('dir/a.txt', { format: 'stream' })
    let streamed = ''
    for await (const part of stream) streamed += decoder.decode(part)
    assert.equal(streamed, 'hello')
    assert.equal(await box.files.makeDir('made/deep'), true)
    assert.equal(await box.files.makeDir('made/deep'), false)
    assert.equal(await box.files.exists('made/deep'), true)
    assert.equal(await box.files.exists('nothing'), false)
    const info = await box.files.getInfo('dir/a.txt')
    assert.deepEqual([info.name, info.type, info.size, info.owner, info.mode], ['a.txt', 'file', 5, 'user', 0o644])
    assert.equal(info.permissions, '-rw-r--r--')
    assert.ok(Math.abs(info.modifiedTime - Date.now()) < 60_000)
    const moved = await box.files.rename('dir/a.txt', 'made/b.txt')
    assert.equal(moved.path, '/home/user/made/b.txt')
    const listed = await box.files.list('made')
    assert.deepEqual(listed.map((one) => [one.name, one.type]), [['b.txt', 'file'], ['deep', 'dir']])
    assert.equal((await box.files.list('/home/user', { depth: 2 })).some((one) => one.path.endsWith('made/deep')), true)
    await box.commands.run('ln -s made/b.txt link')
    const link = await box.files.getInfo('link')
    assert.deepEqual([link.type, link.symlinkTarget], ['file', '/home/user/made/b.txt'])
    await box.files.remove('made')
    assert.equal(await box.files.exists('made'), false)
    await box.files.remove('made')
    await assert.rejects(box.files.read('nothing'), NotFoundError)
    await assert.rejects(box.files.list('nothing'), NotFoundError)
    await assert.rejects(box.files.list('dir/a.txt'))
    assert.equal(await box.files.write('empty', '').then(() => box.files.read('empty')), '')
    assert.equal(await box.files.read('~/empty'), '')
    await box.files.write('/root/of-root', 'r', { user: 'root' })
    assert.equal((await box.files.getInfo('/root/of-root', { user: 'root' })).owner, 'root')
    await box.files.write('ü ß.txt', 'ü')
    assert.equal(await box.files.read('ü ß.txt'), 'ü')
  }),

  'files: several at once': within(async (box) => {
    const written = await box.files.write([
      { path: 'x/1', data: 'one' },
      { path: 'x/2', data: new Blob(['two']) },
      { path: '/tmp/3', data: new Uint8Array([1, 2, 255]).buffer },
    ])
    assert.deepEqual(written.map((one) => one.path), ['/home/user/x/1', '/home/user/x/2', '/tmp/3'])
    assert.equal(await box.files.read('x/2'), 'two')
    assert.deepEqual([...(await box.files.read('/tmp/3', { format: 'bytes' }))], [1, 2, 255])
    if (box.files.writeFiles) await box.files.writeFiles([{ path: 'x/4', data: '4' }])
  }),

  'files: large and binary': within(async (box) => {
    const data = Buffer.alloc(20_000_000)
    for (let i = 0; i < data.length; i += 4) data.writeUInt32LE((i * 2654435761) >>> 0, i)
    await box.files.write('big', new Blob([data]))
    const sum = (await box.commands.run('sha256sum big')).stdout.split(' ')[0]
    assert.equal(sum, createHash('sha256').update(data).digest('hex'))
    const back = await box.files.read('big', { format: 'bytes' })
    assert.equal(Buffer.compare(Buffer.from(back), data), 0)
    await box.files.write('streamed', new Blob([data]).stream())
    assert.equal((await box.files.getInfo('streamed')).size, data.length)
    await box.files.write('octets', new Blob([data]), { useOctetStream: true })
    assert.equal((await box.files.getInfo('octets')).size, data.length)
    await box.files.write('zipped', 'z'.repeat(100_000), { useOctetStream: true, gzip: true })
    assert.equal((await box.files.getInfo('zipped')).size, 100_000)
  }),

  'files: watch': within(async (box) => {
    await box.files.makeDir('watched/deep')
    const events = []
    let ended = false
    const handle = await box.files.watchDir('watched', (event) => events.push(event), {
      recursive: true,
      timeoutMs: 0,
      onExit: () => (ended = true),
    })
    await box.files.write('watched/new.txt', 'a')
    await until(() => events.some((one) => one.name === 'new.txt' && one.type === 'create'), 'create')
    await box.files.write('watched/deep/in.txt', 'a')
    await until(() => events.some((one) => one.name === 'deep/in.txt'), 'a change below')
    await box.commands.run('echo more >> watched/new.txt; chmod 600 watched/new.txt')
    await until(() => events.some((one) => one.type === 'write') && events.some((one) => one.type === 'chmod'), 'write')
    await box.files.rename('watched/new.txt', 'watched/other.txt')
    await until(() => events.some((one) => one.type === 'rename' && one.name === 'new.txt'), 'rename')
    await box.files.remove('watched/other.txt')
    await until(() => events.some((one) => one.type === 'remove' && one.name === 'other.txt'), 'remove')
    await handle.stop()
    await until(() => ended, 'the end of the watch')
    await assert.rejects(box.files.watchDir('nothing', () => {}), NotFoundError)
  }),

  'files: signed addresses': within(async (box) => {
    const base = process.env.E2B_API_URL
    // The address names the sandbox's own host; the suite's name look-up leads it here.
    const up = await box.uploadUrl('signed.txt', { useSignatureExpiration: 10_000 })
    const form = new FormData()
    form.append('file', new Blob(['signed']), 'signed.txt')
    const sent = await fetch(up.replace('https:', new URL(base).protocol), { method: 'POST', body: form })
    assert.equal(sent.status, 200, await sent.text())
    const down = (await box.downloadUrl('signed.txt')).replace('https:', new URL(base).protocol)
    assert.equal(await (await fetch(down)).text(), 'signed')
    assert.equal((await fetch(down.replace(/v1_./, 'v1_!'))).status, 401)
    assert.equal((await fetch(down.replace('signed.txt', 'other.txt'))).status, 401)
    assert.equal((await fetch(down, { headers: { range: 'bytes=1-3' } })).status, 206)
    const late = await box.downloadUrl('signed.txt', { useSignatureExpiration: -10 })
    assert.equal((await fetch(late.replace('https:', new URL(base).protocol))).status, 401)
  }),

  pty: within(async (box) => {
    let seen = ''
    const terminal = await box.pty.create({ cols: 80, rows: 24, timeoutMs: 0, onData: (data) => (seen += decoder.decode(data)) })
    const type = (text) => box.pty.sendInput(terminal.pid, new TextEncoder().encode(text))
    await type('stty size; echo $TERM\n')
    await until(() => seen.includes('24 80') && seen.includes('xterm-256color'), 'size')
    await box.pty.resize(terminal.pid, { cols: 100, rows: 40 })
    await type('stty size\n')
    await until(() => seen.includes('40 100'), 'the new size')
    let other = ''
    if (box.pty.connect) {
      await box.pty.connect(terminal.pid, { onData: (data) => (other += decoder.decode(data)), timeoutMs: 0 })
      await type('echo $((6*7))\n')
      await until(() => other.includes('42') && seen.includes('42'), 'both viewers')
    }
    assert.equal(await box.pty.kill(terminal.pid), true)
    await terminal.wait().catch(() => {})
    assert.equal(await box.pty.kill(terminal.pid), false)
  }),

  async listing() {
    const mark = `m&=${Date.now()}`
    const boxes = []
    try {
      for (let i = 0; i < 5; ++i) boxes.push(await Sandbox.create({ timeoutMs: 60_000, metadata: { mark, 'k y': `${i}` } }))
      const pages = Sandbox.list({ limit: 2, query: { metadata: { mark } } })
      const seen = []
      while (pages.hasNext) seen.push(...(await pages.nextItems()))
      assert.deepEqual(seen.map((one) => one.metadata['k y']), ['4', '3', '2', '1', '0'])
      const one = Sandbox.list({ query: { metadata: { mark, 'k y': '3' } } })
      assert.deepEqual((await one.nextItems()).map((box) => box.sandboxId), [boxes[3].sandboxId])
      await boxes[0].pause?.()
      const paused = Sandbox.list({ query: { metadata: { mark }, state: ['paused'] } })
      assert.deepEqual((await paused.nextItems()).map((box) => box.sandboxId), [boxes[0].sandboxId])
    } finally {
      for (const box of boxes) await box.kill()
    }
  },

  'pause and resume': within(async (box) => {
    const handle = await box.commands.run('while sleep 0.1; do echo . >> ticks; done', { background: true })
    await until(() => box.files.exists('ticks'), 'ticks')
    assert.equal(await box.pause(), true)
    assert.equal(await box.pause(), false)
    assert.equal((await box.getInfo()).state, 'paused')
    assert.equal(await box.isRunning(), false)
    const again = await Sandbox.connect(box.sandboxId, { timeoutMs: 60_000 })
    assert.equal((await again.getInfo()).state, 'running')
    const before = (await again.files.getInfo('ticks')).size
    await until(async () => (await again.files.getInfo('ticks')).size > before, 'ticks after the pause')
    assert.ok((await again.commands.list()).some((one) => one.pid === handle.pid))
    assert.equal(await again.betaPause(), true)
    await box.connect()
    assert.equal(await box.isRunning(), true)
  }),

  async timeouts() {
    const box = await Sandbox.create({ timeoutMs: 60_000 })
    await box.setTimeout(1000)
    await until(async () => !(await box.isRunning()), 'its end')
    await assert.rejects(Sandbox.getInfo(box.sandboxId), NotFoundError)
    const kept = await Sandbox.create({ timeoutMs: 60_000, lifecycle: { onTimeout: 'pause', autoResume: true } })
    try {
      await kept.setTimeout(1000)
      await until(async () => (await Sandbox.getInfo(kept.sandboxId)).state === 'paused', 'its pause')
      assert.equal((await kept.commands.run('echo awake')).stdout, 'awake\n')
    } finally {
      await kept.kill()
    }
  },

  metrics: within(async (box) => {
    const metrics = await until(async () => {
      const all = await box.getMetrics()
      return all.length > 0 && all
    }, 'metrics')
    assert.ok(metrics[0].memTotal > 0 && metrics[0].cpuCount >= 1 && metrics[0].diskTotal > 0)
    assert.ok((await Sandbox.getMetrics(box.sandboxId)).length > 0)
  }),

  'ports: a server in the sandbox': within(async (box) => {
    const secure = process.env.E2B_API_URL.startsWith('https')
    await box.files.write('server.py', [
      'import http.server, sys',
      'class H(http.server.BaseHTTPRequestHandler):',
      '  def do_POST(self):',
      '    body = self.rfile.read(int(self.headers["content-length"]))',
      '    self.send_response(201); self.send_header("x-host", self.headers["host"]); self.end_headers()',
      '    self.wfile.write(body[::-1])',
      '  def do_GET(self):',
      '    if self.headers.get("upgrade"):',
      '      self.wfile.write(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: echo\\r\\nConnection: Upgrade\\r\\n\\r\\nhello")',
      '      while (data := self.rfile.readline()): self.wfile.write(data)',
      '      return',
      '    self.send_response(200); self.end_headers()',
      '    for i in range(1000): self.wfile.write(b"x" * 1000)',
      'http.server.ThreadingHTTPServer(("0.0.0.0", 8000), H).serve_forever()',
    ].join('\n'))
    const server = await box.commands.run('python3 server.py', { background: true, timeoutMs: 0 })
    const host = box.getHost(8000)
    assert.ok(host.startsWith(`8000-${box.sandboxId}.`))
    const url = `${secure ? 'https' : 'http'}://${host}`
    await until(async () => (await fetch(url)).status === 200, 'the server')
    assert.equal((await (await fetch(url)).text()).length, 1_000_000)
    const posted = await fetch(url, { method: 'POST', body: 'abc' })
    assert.deepEqual([posted.status, await posted.text(), posted.headers.get('x-host')], [201, 'cba', host])
    const closed = await fetch(url.replace('8000-', '8001-'))
    assert.equal(closed.status, 502)
    assert.equal((await closed.json()).port, 8001)
    const got = await new Promise((done, failed) => {
      const request = (secure ? https : http).get(url, { headers: { connection: 'upgrade', upgrade: 'echo' } })
      request.on('error', failed)
      request.on('upgrade', (_, socket, head) => {
        let text = head.toString()
        socket.on('data', (data) => {
          text += data
          if (text === 'helloping\n') done(text), socket.destroy()
        })
        socket.write('ping\n')
      })
    })
    assert.equal(got, 'helloping\n')
    await server.kill()
  }),

  'ports: private traffic': within(
    async (box) => {
      const secure = process.env.E2B_API_URL.startsWith('https')
      assert.ok(box.trafficAccessToken)
      await box.commands.run('python3 -m http.server 8000 >/dev/null 2>&1', { background: true, timeoutMs: 0 })
      const url = `${secure ? 'https' : 'http'}://${box.getHost(8000)}`
      assert.equal((await fetch(url)).status, 403)
      const headers = { 'e2b-traffic-access-token': box.trafficAccessToken }
      await until(async () => (await fetch(url, { headers })).status === 200, 'the server')
    },
    { network: { allowPublicTraffic: false } },
  ),

  git: within(async (box) => {
    const { git } = box
    if (!git) return
    await git.init('repo', { initialBranch: 'main' })
    await git.configureUser('A', 'a@example.org')
    await git.setConfig('core.abbrev', '12')
    assert.equal(await git.getConfig('core.abbrev'), '12')
    await box.files.write('repo/a', 'a')
    assert.equal((await git.status('repo')).fileStatus.length, 1)
    await git.add('repo')
    await git.commit('repo', 'first')
    assert.equal((await git.status('repo')).isClean, true)
    await git.createBranch('repo', 'side')
    await git.checkoutBranch('repo', 'main')
    assert.deepEqual((await git.branches('repo')).branches.sort(), ['main', 'side'])
    await git.deleteBranch('repo', 'side')
    await box.commands.run('git init -q --bare origin.git')
    await git.remoteAdd('repo', 'origin', '/home/user/origin.git')
    assert.equal(await git.remoteGet('repo', 'origin'), '/home/user/origin.git')
    await git.push('repo', { remote: 'origin', branch: 'main', setUpstream: true })
    await git.clone('/home/user/origin.git', { path: 'copy', branch: 'main' })
    assert.equal(await box.files.read('copy/a'), 'a')
    await git.pull('copy')
    await box.files.write('repo/a', 'b')
    await git.restore('repo', { paths: ['a'] })
    assert.equal(await box.files.read('repo/a'), 'a')
    await git.reset('repo', { mode: 'hard' })
  }),

  'the same by another way': within(async (box) => {
    if (name === 'e2b-v1') return
    const id = box.sandboxId
    assert.equal((await Sandbox.getInfo(id)).sandboxId, id)
    await Sandbox.setTimeout(id, 90_000)
    assert.ok(Array.isArray(await Sandbox.getMetrics(id)))
    const handle = await box.commands.run('read line; echo "got $line"; cat', { background: true, stdin: true })
    await handle.sendStdin('one\n')
    await until(() => handle.stdout.includes('got one'), 'the line')
    await handle.closeStdin()
    assert.equal((await handle.wait()).exitCode, 0)
    const other = await box.commands.run('sleep 100', { background: true })
    await other.disconnect()
    await box.commands.kill(other.pid)
    assert.equal(await box.betaPause(), true)
    await Sandbox.connect(id)
    await box.git.dangerouslyAuthenticate({ username: 'someone', password: 'a password', host: 'example.org' })
    assert.match((await box.commands.run('cat ~/.git-credentials')).stdout, /example\.org/)
  }),

  async 'templates: written down'() {
    if (name === 'e2b-v1') return
    const { Template } = sdk
    const begun = [
      (t) => t.fromDebianImage('bookworm'), (t) => t.fromUbuntuImage('24.04'), (t) => t.fromPythonImage('3'), (t) => t.fromNodeImage('22'),
      (t) => t.fromBunImage('1'), (t) => t.fromImage('debian:12'), (t) => t.fromBaseImage(), (t) => t.fromDockerfile('FROM debian:12\nRUN true'),
      (t) => t.fromAlpineImage?.('3'), (t) => t.fromArchImage?.(), (t) => t.fromFedoraImage?.('42'),
    ]
    for (const begin of begun) {
      const one = begin(Template())
      if (!one) continue
      const text = Template.toDockerfile(
        one.runCmd('true').setEnvs({ A: '1' }).setWorkdir('/srv').setUser('user').aptInstall(['jq']).pipInstall(['numpy'])
          .npmInstall(['left-pad']).bunInstall(['left-pad']).gitClone('https://example.org/r.git', '/srv/r').makeDir('/srv/d')
          .makeSymlink('/srv/d', '/srv/e').rename('/srv/e', '/srv/f').remove('/srv/f').skipCache(),
      )
      assert.match(text, /^FROM /)
    }
    assert.match(await Template.toJSON(Template().fromTemplate('base').setStartCmd('sleep 1', 'true'), false), /base/)
    assert.match(await Template.toJSON(Template().fromImage('debian:12').setReadyCmd('true'), false), /debian/)
    assert.equal(await Template.exists('no-such-template'), false)
    assert.equal(await Template.aliasExists('no-such-template'), false)
  },

  async 'templates: built here'() {
    if (name === 'e2b-v1') return
    const { Template } = sdk
    const context = fs.mkdtempSync(path.join(os.tmpdir(), 'e2b-context-'))
    try {
      fs.writeFileSync(path.join(context, 'hello.txt'), 'hello')
      fs.mkdirSync(path.join(context, 'many', 'deep'), { recursive: true })
      fs.writeFileSync(path.join(context, 'many', 'deep', 'one'), '1')
      const described = () =>
        Template({ fileContextPath: context })
          .fromTemplate('base')
          .copy('hello.txt', '/home/user/there/')
          .copyItems([{ src: 'many', dest: '/home/user/many', mode: 0o700 }])
          .setEnvs({ BUILT: 'yes' })
          .setWorkdir('/home/user/work')
          .runCmd('echo "$BUILT by $(id -un) in $PWD" > made.txt; echo to the log; echo of errors >&2')
          .makeDir('/workspace/d')
      const built = 'built-here'
      const lines = []
      const started = described().setStartCmd('python3 -m http.server 8123 --directory /home/user', sdk.waitForPort(8123))
      const told = await Template.build(started, built, {
        cpuCount: 4, memoryMB: 512, onBuildLogs: (entry) => (entry.toString(), lines.push(`${entry.level} ${entry.message}`)),
      })
      assert.ok(lines.includes('info to the log') && lines.includes('warn of errors'), lines.join('\n'))
      assert.equal((await Template.getBuildStatus(told)).status, 'ready')
      assert.equal(await Template.exists(built), true)
      const box = await Sandbox.create(built, { timeoutMs: 60_000, envs: { MINE: '1' } })
      try {
        assert.equal(await box.files.read('/home/user/there/hello.txt'), 'hello')
        assert.equal(await box.files.read('/home/user/many/deep/one'), '1')
        assert.equal(await box.files.read('/home/user/work/made.txt'), 'yes by user in /home/user/work\n')
        assert.equal((await box.commands.run('stat -c %a:%U /home/user/many; stat -c %U /workspace/d')).stdout, '700:user\nuser\n')
        assert.equal((await box.commands.run('echo $BUILT$MINE')).stdout, 'yes1\n')
        const fetched = 'import urllib.request as r; print(r.urlopen("http://localhost:8123/there/hello.txt").read().decode())'
        assert.equal((await box.commands.run(`python3 -c '${fetched}'`)).stdout, 'hello\n') // its start command runs
      } finally {
        await box.kill()
      }
      const again = []
      await Template.build(started, built, { onBuildLogs: (entry) => again.push(entry.message) })
      assert.ok(again.some((line) => line.startsWith('CACHED')) && !again.includes('to the log'), again.join('\n'))
      const onTop = Template().fromTemplate(built).runCmd('cat /home/user/there/hello.txt && exit 3')
      await assert.rejects(Template.build(onTop, 'on-top'), /exit status 3/)
      assert.equal(await Template.exists('on-top'), false)
      await assert.rejects(Template.build(Template().fromTemplate('no-such'), 'on-top'), /no template 'no-such'/)
      await assert.rejects(Template.build(Template().fromTemplate('base'), 'base'), /configuration/)
      const background = await Template.buildInBackground(Template().fromTemplate(built).setStartCmd('true', 'true'), 'on-top')
      for (let tries = 0; ; ++tries) {
        const { status } = await Template.getBuildStatus(background)
        if (status === 'ready') break
        assert.ok(status !== 'error' && tries < 1200, status)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    } finally {
      fs.rmSync(context, { recursive: true })
    }
  },

  async 'what this endpoint refuses'() {
    if (name === 'e2b-v1') return
    const { Template, Volume, Secret } = sdk
    const refused = (promise) => assert.rejects(promise, /not available|cannot be|there is no|501/)
    await refused(Volume.list())
    await refused(Volume.create('v'))
    await refused(Volume.getInfo('v'))
    await refused(Volume.destroy('v'))
    await refused(Secret.create('s', { value: 'x' }))
    await refused(Secret.getInfo('s'))
    await refused(Secret.destroy('s'))
    await refused(Template.assignTags('base', ['v1']))
    await refused(Template.removeTags('base', ['v1']))
    await refused(Template.build(Template().fromImage('debian:12'), 'mine'))
    await refused(Template.buildInBackground(Template().fromImage('debian:12'), 'mine'))
  },

  'what a local sandbox cannot be': within(async (box) => {
    await assert.rejects(box.createSnapshot(), /snapshot/)
    await assert.rejects(Sandbox.pause(box.sandboxId, { keepMemory: false }).then((done) => {
      if (done) throw new Error('no option of this name in this version: memory snapshot')
    }), /memory|snapshot/).catch(() => {})
    const snapshots = Sandbox.listSnapshots?.()
    if (snapshots) assert.deepEqual(await snapshots.nextItems(), [])
    if (box.fork) {
      const forks = await box.fork().catch((error) => error)
      assert.ok(forks instanceof Error)
    }
    if (box.updateNetwork) await box.updateNetwork({ allowInternetAccess: false })
    assert.equal(box.getMcpUrl().endsWith('/mcp'), true)
    await assert.rejects(box.getMcpToken(), /mcp-gateway/) // the template has no gateway
  }),
}

if (wanted === '--list') {
  console.log(JSON.stringify(Object.keys(cases)))
} else {
  await cases[wanted]()
}
