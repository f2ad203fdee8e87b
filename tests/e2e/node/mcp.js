// `swarm mcp` through the official client of the Model Context Protocol: mcp.js COMMAND ARGUMENTS... (the server)
// Reads calls from standard input ([[tool, arguments], ...]) and prints one JSON document of what it saw.
'use strict';
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');
const { ListToolsResultSchema } = require('@modelcontextprotocol/sdk/types.js');

async function main(command, args) {
  const transport = new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' });
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(transport);
  const out = { server: client.getServerVersion(), capabilities: client.getServerCapabilities(), results: [] };
  out.protocol = transport._protocolVersion ?? null;
  await client.ping();
  out.tools = ListToolsResultSchema.parse(await client.listTools()).tools;
  const calls = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
  for (const [name, given] of calls) {
    try {
      out.results.push(await client.callTool({ name, arguments: given }));
    } catch (error) {
      out.results.push({ thrown: error.code, message: error.message });
    }
  }
  // Several at once: one that waits does not hold up the others.
  const order = [];
  await Promise.all([
    client.callTool({ name: 'lock', arguments: { path: 'held.c', wait_ms: 1500 } }).then(() => order.push('lock')),
    client.callTool({ name: 'whoami', arguments: {} }).then(() => order.push('whoami')),
  ]);
  out.order = order;
  await client.close();
  console.log(JSON.stringify(out));
}

main(process.argv[2], process.argv.slice(3)).catch((error) => {
  console.error(error);
  process.exit(1);
});
