// Starts the server under test.
//
// HUB_SERVER is its command (default: this project's conformance hub), taken relative to the project's root:
//   HUB_SERVER="target/release/conformance-hub --quiet" npm test
//   HUB_SERVER=../shared/reference-server/run HUB_IS_REFERENCE=1 npm test
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

const projectRoot = fileURLToPath(new URL('../..', import.meta.url));
const [command, ...options] = (process.env.HUB_SERVER ?? 'target/debug/conformance-hub').split(' ').filter(Boolean);

/** Whether the server under test is ASP.NET Core itself; tests consult it where we differ on purpose. */
export const isReference = process.env.HUB_IS_REFERENCE === '1';

/** Starts a server that ends with the calling test file, and answers its base URL. */
export async function startServer() {
  const server = spawn(command, [...options, '--urls', 'http://127.0.0.1:0'], {
    cwd: projectRoot,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(server, 'exit');
  // Last resort, also when the file is interrupted or dies of an exception: no server outlives its tests.
  process.once('exit', () => server.kill('SIGKILL'));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  after(async () => {
    server.kill('SIGTERM');
    const patience = setTimeout(() => server.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(patience);
  });

  // The lines stay subscribed to: a server whose output nobody reads would block in the end.
  const lines = createInterface({ input: server.stdout });
  return new Promise((ready, failed) => {
    lines.on('line', line => {
      const url = /^listening on (\S+)/.exec(line)?.[1];
      if (url) ready(url);
    });
    ended.then(([code]) => failed(new Error(`${command} ended with ${code} before it listened`)), failed);
  });
}
