// A client of swarmd made of nothing but Neovim's msgpack-rpc transport for Node: usage: client.js SOCKET
// Prints one JSON document of what it saw.
'use strict';
const net = require('node:net');
const { Transport } = require('neovim/lib/utils/transport');

async function main(path) {
  const socket = net.connect(path);
  const transport = new Transport();
  transport.attach(socket, socket, null);
  const events = [];
  let another = () => {};
  transport.on('notification', (method, [event]) => {
    events.push({ method, type: event.type, to: event.data.to, sandbox: event.sandbox });
    another();
  });
  const call = (method, args) => new Promise((resolve, reject) => {
    // Without arguments: the empty array, as the specification has it.
    transport.request(method, args === undefined ? [] : [args], (error, result) => (error ? reject(error) : resolve(result)));
  });
  const seen = async (wanted) => {
    while (!events.some(wanted)) await new Promise((resolve) => { another = resolve; });
  };

  const out = {};
  out.info = await call('daemon.info');
  await call('events.subscribe', { types: ['sandbox.state'] });
  const sandbox = await call('sandbox.create', { name: 'from-node' });
  await seen((event) => event.to === 'claimed');
  const done = await call('exec.start', { sandbox: sandbox.id, argv: ['sh', '-c', 'printf h\u00e9llo; exit 3'], capture: true });
  out.stdout = done.stdout;
  out.exit_code = done.status.exit_code;
  await call('files.write', { sandbox: sandbox.id, path: '/tmp/bytes', data: Buffer.from([0, 255, 128, 10]) });
  out.bytes = [...(await call('files.read', { sandbox: sandbox.id, path: '/tmp/bytes' })).data];
  // Answers come as they are ready, not in the order of the calls.
  const order = [];
  await Promise.all([
    call('exec.start', { sandbox: sandbox.id, argv: ['sleep', '0.2'] }).then(() => order.push('slow')),
    call('rpc.ping').then(() => order.push('fast')),
  ]);
  out.order = order;
  try {
    await call('sandbox.info', { sandbox: 'nope' });
  } catch (error) {
    out.error = error;
  }
  out.last_error = await call('rpc.last_error');
  out.ended = (await call('sandbox.kill', { sandbox: sandbox.id })).state;
  await seen((event) => event.to === 'gone');
  out.events = events;
  await transport.close();
  console.log(JSON.stringify(out));
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
