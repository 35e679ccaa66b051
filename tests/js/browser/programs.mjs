// Programs under test: started from the project's root, and ended with all that they started.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { within } from '../waiting.mjs';

const projectRoot = resolve(import.meta.dirname, '../../..');
const running = new Set();

after(() => Promise.all([...running].map(program => stop(program))));
// Last resort, also when the file is interrupted or dies of an exception: no program outlives its tests.
process.once('exit', () => running.forEach(program => signal(program, 'SIGKILL')));

/** The program that an environment variable names, relative to the project's root; else that which cargo built last. */
export function built(variable, name) {
  if (process.env[variable]) return resolve(projectRoot, process.env[variable]);
  const paths = ['release', 'debug'].map(profile => resolve(projectRoot, 'target', profile, name)).filter(existsSync);
  assert.notEqual(paths.length, 0, `it is not built: cargo build -p ${name}`);
  return paths.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/** Starts a program, and waits until it has printed so many addresses at which it or its like listen: `urls`. */
export async function start(command, options, { urls: wanted = 1, env = {} } = {}) {
  // A group of its own, so that none of its children is left behind.
  const child = spawn(command, options, {
    cwd: projectRoot, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'], detached: true,
  });
  const program = { process: child, ended: once(child, 'exit'), lines: [], urls: [] };
  running.add(program);
  const listening = new Promise((ready, failed) => {
    createInterface({ input: child.stdout }).on('line', line => {
      program.lines.push(line);
      const url = /^(?:listening on|node .*:) (http:\S+)$/.exec(line)?.[1];
      if (url) program.urls.push(url);
      if (program.urls.length === wanted) ready();
    });
    program.ended.then(([code]) => failed(new Error(`${command} ended with ${code} before it listened`)), failed);
  });
  await within(listening, `${command} to listen`);
  program.url = program.urls[0];
  return program;
}

/** Ends a program, and gives its exit code. */
export async function stop(program, by = 'SIGTERM') {
  program.process.kill(by);
  const [code] = await within(program.ended, `${program.process.spawnfile} to end by ${by}`);
  running.delete(program);
  return code;
}

function signal(program, by) {
  try {
    process.kill(-program.process.pid, by);
  } catch {
    // All of them have ended.
  }
}
