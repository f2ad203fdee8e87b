// Stands between a client and an endpoint of E2B's API, passes everything on, and holds both to E2B's own descriptions:
// `node judge.mjs UPSTREAM OPENAPI ENVD`. Prints its port; at the end of its input, what it saw and what was wrong.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import Ajv from 'ajv'
import { parse } from 'yaml'

const [upstream, openapi, envd] = process.argv.slice(2)
const to = new URL(upstream)
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false })
/** OpenAPI's `nullable` as JSON Schema has it, also where it stands beside a reference. */
function plain(at) {
  if (Array.isArray(at)) return at.map(plain)
  if (at === null || typeof at !== 'object') return at
  const { nullable, ...rest } = at
  const out = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, plain(value)]))
  return nullable === true ? { anyOf: [{ type: 'null' }, out] } : out
}
const books = Object.entries({ api: openapi, envd }).map(([name, file]) => {
  const book = plain(parse(readFileSync(file, 'utf8')))
  ajv.addSchema(book, name)
  const paths = Object.entries(book.paths).map(([path, item]) => ({
    path,
    item,
    pattern: new RegExp(`^${path.replace(/\{[^}]+\}/g, '[^/]+')}$`),
    fixed: !path.includes('{'),
  }))
  paths.sort((a, b) => b.fixed - a.fixed) // "/sandboxes/metrics" before "/sandboxes/{sandboxID}"
  return [name, { book, paths }]
})
const bookOf = Object.fromEntries(books)
const seen = {}
const problems = []

const resolve = (book, object) => {
  if (!object?.$ref) return object
  return object.$ref.slice(2).split('/').reduce((at, part) => at[part], book)
}
const compiled = new Map()
function check(what, name, schema, value) {
  if (!schema) return
  if (!compiled.has(schema)) {
    // A schema's references are of its book.
    const own = JSON.parse(JSON.stringify(schema).replaceAll('"#/', `"${name}#/`))
    compiled.set(schema, ajv.compile(own))
  }
  const good = compiled.get(schema)
  if (!good(value)) problems.push(`${what}: ${ajv.errorsText(good.errors)} in ${JSON.stringify(value).slice(0, 500)}`)
}

function jsonOf(what, body) {
  try {
    return JSON.parse(body)
  } catch {
    problems.push(`${what}: no JSON: ${body.slice(0, 200)}`)
  }
}

function judge(request, sent, answer, got) {
  const port = request.headers['e2b-sandbox-port']
  if (port && port !== '49983') return
  const name = port ? 'envd' : 'api'
  const { book, paths } = bookOf[name]
  const url = new URL(request.url, 'http://x')
  if (/^\/\w+\.\w+\//.test(url.pathname)) return // Connect: its framing is tried elsewhere
  const found = paths.find((one) => one.pattern.test(url.pathname))
  const method = request.method.toLowerCase()
  const line = `${name} ${request.method} ${found?.path ?? url.pathname}`
  if (answer.statusCode === 501) return // refused here, and said so
  if (!found?.item[method]) {
    if (answer.statusCode !== 404) problems.push(`${line}: is not described, and answered with ${answer.statusCode}`)
    return
  }
  const operation = found.item[method]
  const status = answer.statusCode
  ;(seen[line] ??= {})[status] = (seen[line][status] ?? 0) + 1

  // The client's part, where the server took it: what it refuses may be wrong on purpose.
  const good = status < 300
  const parameters = [...(found.item.parameters ?? []), ...(operation.parameters ?? [])].map((one) => resolve(book, one))
  if (good) {
    const known = parameters.filter((one) => one.in === 'query').map((one) => one.name)
    for (const key of url.searchParams.keys()) if (!known.includes(key)) problems.push(`${line}: unknown parameter ${key}`)
    for (const one of parameters) {
      if (one.in !== 'query') continue
      const value = url.searchParams.get(one.name)
      if (value === null) {
        if (one.required) problems.push(`${line}: without ${one.name}`)
        continue
      }
      const schema = resolve(book, one.schema)
      const typed = schema.type === 'integer' || schema.type === 'number' ? Number(value) : schema.type === 'array' ? value.split(',') : schema.type === 'boolean' ? value === 'true' : value
      check(`${line} parameter ${one.name}`, name, one.schema, typed)
    }
    const body = resolve(book, operation.requestBody)
    const type = (request.headers['content-type'] ?? '').split(';')[0]
    if (body?.required && sent.length === 0) problems.push(`${line}: without a body`)
    if (sent.length > 0 && body && !(type in body.content)) problems.push(`${line}: content type ${type} is not described`)
    if (sent.length > 0 && type === 'application/json' && body?.content[type]) {
      check(`${line} request`, name, body.content[type].schema, jsonOf(`${line} request`, sent.toString()))
    }
  }

  // The server's.
  const described = resolve(book, operation.responses[status] ?? operation.responses.default)
  if (!described && status === 401) return // of every call with a key or a token, whether or not it is repeated there
  if (!described) {
    problems.push(`${line}: status ${status} is not described: ${got.toString().slice(0, 200)}`)
    return
  }
  const json = described.content?.['application/json']
  if (json) check(`${line} ${status}`, name, json.schema, jsonOf(`${line} ${status}`, got.toString()))
  if (status === 204 && got.length > 0) problems.push(`${line}: 204 with a body`)
}

const server = http.createServer((request, response) => {
  const sent = []
  const got = []
  const on = http.request({ host: to.hostname, port: to.port, method: request.method, path: request.url, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.on('data', (chunk) => got.push(chunk))
    answer.on('end', () => judge(request, Buffer.concat(sent), answer, Buffer.concat(got)))
    answer.on('aborted', () => response.destroy())
    answer.pipe(response)
  })
  on.on('error', () => response.destroy())
  response.on('close', () => on.destroy())
  request.on('data', (chunk) => sent.push(chunk))
  request.pipe(on)
})
server.on('upgrade', (request, socket, head) => {
  const on = net.connect(to.port, to.hostname, () => {
    const fields = []
    for (let i = 0; i < request.rawHeaders.length; i += 2) fields.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}\r\n`)
    on.write(`${request.method} ${request.url} HTTP/1.1\r\n${fields.join('')}\r\n`)
    on.write(head)
    socket.pipe(on).pipe(socket)
  })
  for (const [one, other] of [[socket, on], [on, socket]]) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume()
process.stdin.on('end', () => {
  console.log(JSON.stringify({ seen, problems }))
  process.exit(0)
})
