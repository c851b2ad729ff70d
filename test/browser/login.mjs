// login.py of the example of two people, as a process: the login of the demo.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from './stage.mjs';

const script = join(root, 'server/web/examples/people/login.py');
// Runs a program by a clock that is behind.
const behind = (s) => `import runpy, sys, time
now = time.time
time.time = lambda: now() - ${s}
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")`;

export class Login {
  #process;
  #words;

  constructor(counters, key) {
    this.#words = ['--port', '0', '--counters', counters, '--key', key, '--person', 'u4=Hermia', '--person', 'u5=Lysander'];
  }

  async begin({ behindS = 0, tokenSeconds = 300 } = {}) {
    this.#process = spawn('/usr/bin/python3', ['-c', behind(behindS), script, ...this.#words, '--token-seconds', String(tokenSeconds)],
      { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: this.#process.stdout })) {
      this.address = line.split(' ').at(-1);
      return this;
    }
    throw new Error('login.py did not begin');
  }

  async end() {
    if (!this.#process || this.#process.exitCode !== null) return;
    this.#process.kill();
    await once(this.#process, 'exit');
  }

  /** A POST, as a page of the login's own sends it: { status, headers, body }. */
  async post(path, { body = '{}', headers = {} } = {}) {
    const asked = request(new URL(path, this.address), { method: 'POST', agent: false, headers: { Origin: new URL(this.address).origin, ...headers } });
    asked.end(body);
    const [answer] = await once(asked, 'response');
    let text = '';
    for await (const piece of answer.setEncoding('utf8')) text += piece;
    return { status: answer.statusCode, headers: answer.headers, body: JSON.parse(text) };
  }

  /** Logs in: { person, name, token }. */
  async as(person) {
    return (await this.post('login', { body: JSON.stringify({ person }) })).body;
  }
}
