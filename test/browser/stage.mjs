// What the page's test plays on: a cluster of its own with the demo's application, the real program, and a browser.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const program = process.env.PGTALLY_PROGRAM ?? join(root, 'build/release/pgtally');
const loader = process.env.PGTALLY_LOADER ?? join(dirname(program), 'pgtally-play');
export const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const deadlineMs = 30_000;

const execute = promisify(execFile);
const run = async (...words) => (await execute(words[0], words.slice(1), { maxBuffer: 2 ** 26, env: environment })).stdout.trim();
// The user's own database is none of ours.
const environment = Object.fromEntries(Object.entries(process.env)
  .filter(([name]) => name === 'PGTALLY_PG_BINDIR' || !/^(PG|DATABASE_URL$)/.test(name)));

export class Stage {
  #folder;
  #dsn;
  #service = null;
  #log = '';
  #port;
  #browser;

  /** `more`: files of schema/tweet beside those of the demo, and options of the service. */
  async begin({ files: more = [], options = [] } = {}) {
    this.#folder = await mkdtemp(join(tmpdir(), 'pgtally-browser-'));
    await chmod(this.#folder, 0o755);
    await mkdir(join(this.#folder, 'web/labels'), { recursive: true });
    await this.startDatabase();
    await run(program, 'install', '--dsn', this.#dsn);
    const files = ['1-schema', '2-cast', '3-tally', ...more].flatMap((name) => ['-f', join(root, `schema/tweet/${name}.sql`)]);
    await this.#psql(...files);
    await run(loader, 'load', join(root, 'schema/tweet/play.xml'), '--dsn', this.#dsn);
    await this.sql('insert into tweet.message (userid, message) values (1, \'<img src="x" onerror="document.title = 1">\')');
    await this.writeLabels();
    this.#port = await freePort();
    await this.startService(...options);
    this.#browser = await this.launch();
  }

  async end() {
    await this.#browser?.close();
    await this.killService();
    if (!this.#folder) return;
    await run(join(root, 'tools/cluster'), 'drop', join(this.#folder, 'cluster'));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async writeLabels() {
    const labels = await this.#psql('-f', join(root, 'schema/tweet/labels.sql'));
    await writeFile(join(this.#folder, 'web/labels/tweets.json'), labels);
    await writeFile(join(this.#folder, 'web/labels.json'), '["tweets"]');
  }

  /** The folder of --web. */
  get web() { return join(this.#folder, 'web'); }

  get address() { return `http://127.0.0.1:${this.#port}/`; }

  async startDatabase() {
    this.#dsn = await run(join(root, 'tools/cluster'), 'start', join(this.#folder, 'cluster'), 'fsync=off');
  }

  async stopDatabase() {
    await run(join(root, 'tools/cluster'), 'stop', join(this.#folder, 'cluster'), 'immediate');
  }

  get browser() { return this.#browser; }
  get dsn() { return this.#dsn; }

  /** A browser of its own, which the test closes. */
  launch(options) {
    return chromium.launch({ executablePath: process.env.PGTALLY_CHROMIUM ?? '/usr/bin/chromium', args: flags, ...options });
  }

  async startService(...more) {
    const service = spawn(program, ['serve', '--dsn', this.#dsn, '--writable', '--web', join(this.#folder, 'web'),
      '--listen', `127.0.0.1:${this.#port}`, '--admin-listen', 'none', '--heartbeat', '200ms', ...more],
    { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
    this.#service = service;
    for (const stream of [service.stdout, service.stderr]) stream.on('data', (text) => { this.#log += text; });
    const until = Date.now() + deadlineMs;
    for (;;) {
      const answer = await fetch(`${this.address}readyz?live`).catch(() => null);
      if (answer?.ok) return;
      if (service.exitCode !== null || Date.now() > until) throw new Error(`the service did not come up:\n${this.#log}`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  }

  async killService() {
    const service = this.#service;
    this.#service = null;
    if (!service || service.exitCode !== null || service.signalCode !== null) return;
    service.kill('SIGKILL');
    await once(service, 'exit');
  }

  /** Serves a page of the test's own. */
  addPage(name, text) { return writeFile(join(this.#folder, 'web', name), text); }

  sql(text) { return this.#psql('-c', text); }

  /** The counters by SQL: { key: { rts, favs } }, as texts, of the messages that have any. */
  async truth() {
    const rows = await this.sql(`select json_object_agg(key, json_build_object('rts', counters[1]::text, 'favs',
      counters[2]::text)) from tally.truth('tweets')`);
    return JSON.parse(rows || '{}') ?? {};
  }

  async newPage(options = {}) {
    const page = await this.#browser.newPage(options);
    page.setDefaultTimeout(deadlineMs);
    return page;
  }

  /**
   * A page that shows the demo, and what it had: { page, faults, requests, failed }, `faults` being errors of scripts and of the
   * console, `failed` answers of 400 and more.
   */
  async open({ path = '', ...options } = {}) {
    const page = await this.newPage(options);
    const faults = [];
    const requests = [];
    const failed = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (said) => {
      // Of what this test takes away, the browser says so itself.
      if (said.type() === 'error' && !/net::ERR_|Failed to load resource|WebSocket connection/.test(said.text())) faults.push(said.text());
    });
    page.on('request', (request) => requests.push(request.url()));
    page.on('response', (answer) => { if (answer.status() >= 400) failed.push(`${answer.status()} ${answer.url()}`); });
    await page.goto(this.address + path);
    await page.waitForSelector('.state[data-state="live"]');
    return { page, faults, requests, failed };
  }

  #psql(...words) {
    const bindir = process.env.PGTALLY_PG_BINDIR;
    const psql = bindir ? join(bindir, 'psql') : 'psql';
    return run(psql, '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', `${this.#dsn} options='-c client_min_messages=warning'`, ...words);
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
