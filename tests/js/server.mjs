// Starts the server under test.
//
// HUB_SERVER is its command (default: this project's conformance hub), taken relative to the project's root:
//   HUB_SERVER="target/release/conformance-hub --quiet" npm test
//   HUB_SERVER=../shared/reference-server/run HUB_IS_REFERENCE=1 npm test
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

const projectRoot = fileURLToPath(new URL('../..', import.meta.url));
const [command, ...options] = (process.env.HUB_SERVER ?? 'target/debug/conformance-hub').split(' ').filter(Boolean);

/** Whether the server under test is ASP.NET Core itself; tests consult it where we differ on purpose. */
export const isReference = process.env.HUB_IS_REFERENCE === '1';

/**
 * With HUB_NODES=2, as many nodes of one hub over a Redis of their own, behind a balancer that is not sticky: each
 * connection to it goes to the next node, so that what one negotiated another opens.
 */
export const nodeCount = Number(process.env.HUB_NODES ?? 1);

/** Starts a server that ends with the calling test file, and answers its base URL. */
export async function startServer() {
  return nodeCount > 1 ? (await startNodes()).base : (await startNode()).base;
}

/** Starts the nodes: each with its own URL and a way to kill it, and the URL of the balancer before them. */
export async function startNodes() {
  const redis = await startRedis();
  const nodes = await Promise.all(Array.from({ length: nodeCount }, () => startNode('--redis', `127.0.0.1:${redis}`)));
  let turn = 0;
  const balancer = createServer(client => {
    const { hostname, port } = new URL(nodes[turn++ % nodes.length].base);
    const node = connect(port, hostname);
    client.pipe(node).pipe(client);
    for (const [one, other] of [[client, node], [node, client]]) {
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
  });
  const port = await listen(balancer);
  after(() => balancer.close());
  return { base: `http://127.0.0.1:${port}`, nodes };
}

async function startNode(...more) {
  const node = start(command, [...options, '--urls', 'http://127.0.0.1:0', ...more]);
  const [, base] = await node.line(/^listening on (\S+)/);
  return { base, kill: node.kill };
}

/** Starts a Redis that keeps nothing, and answers its port. */
async function startRedis() {
  const probe = createServer();
  const port = await listen(probe);
  await new Promise(done => probe.close(done));
  const redis = start('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']);
  await redis.line(/Ready to accept connections/);
  return port;
}

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

function start(command, options) {
  const child = spawn(command, options, { cwd: projectRoot, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  // Last resort, also when the file is interrupted or dies of an exception: no server outlives its tests.
  process.once('exit', () => child.kill('SIGKILL'));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  after(async () => {
    child.kill('SIGTERM');
    const patience = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(patience);
  });

  // The lines stay subscribed to: a server whose output nobody reads would block in the end.
  const lines = createInterface({ input: child.stdout });
  const line = pattern => new Promise((ready, failed) => {
    lines.on('line', line => {
      const match = pattern.exec(line);
      if (match) ready(match);
    });
    ended.then(([code]) => failed(new Error(`${command} ended with ${code} before it was ready`)), failed);
  });
  return { line, kill: async () => (child.kill('SIGKILL'), await ended) };
}
