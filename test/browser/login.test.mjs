// The login of the example of two people: whom it believes, and what it keeps. No page, no counters.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Login } from './login.mjs';

let folder;
let login;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgtally-login-'));
  await writeFile(join(folder, 'secret'), 'a secret of the test, of 32 bytes or more');
  login = await new Login('http://127.0.0.1:9/', join(folder, 'secret')).begin();
});
after(async () => {
  await login?.end();
  await rm(folder, { recursive: true, force: true });
});

const begin = async () => (await login.post('login', { body: '{"person":"u4"}' })).headers['set-cookie'][0];
const who = async (headers) => (await login.post('token', { headers })).body?.person;

test('the login takes orders of its own pages only', async () => {
  const { origin, port } = new URL(login.address);
  const status = async (path, options) => (await login.post(path, options)).status;
  const cookie = await begin();
  assert.match(cookie, /^people_session=[\w-]{43}; .*HttpOnly; SameSite=Strict$/);
  const [session] = cookie.split(';');
  assert.equal(await who({ Cookie: session }), 'u4');

  for (const Origin of ['http://evil.example', 'null', `${origin}0`, `https://127.0.0.1:${port}`, `http://localhost:${port}`]) {
    assert.equal(await status('token', { headers: { Cookie: session, Origin } }), 403, Origin);
  }
  const Host = `evil.example:${port}`;
  assert.equal(await status('token', { headers: { Cookie: session, Host, Origin: `http://${Host}` } }), 403);
  for (const forged of ['', 'people_session=', `${session}x`, 'people_session=u4']) assert.equal(await who({ Cookie: forged }), undefined, forged);
  for (const name of ['u6', '', null, 4, ['u4']]) assert.equal(await status('login', { body: JSON.stringify({ person: name }) }), 403, String(name));
  for (const body of ['', 'x', '[]', '"u4"', ' '.repeat(1025)]) assert.equal(await status('login', { body }), 400, body);

  await login.post('logout', { headers: { Cookie: session } });
  assert.equal(await who({ Cookie: session }), undefined, 'the session is over, not only its cookie');
});

test('a login beyond the limit ends the oldest one', async () => {
  const session = async () => ({ Cookie: (await begin()).split(';')[0] });
  const oldest = await session();
  for (let count = 1; count < 1000; ++count) await begin();
  assert.equal(await who(oldest), 'u4');
  const newest = await session();
  assert.equal(await who(oldest), undefined);
  assert.equal(await who(newest), 'u4');
});

test('a token is for the keys of one person, for minutes', async () => {
  const { token } = await login.as('u5');
  const { exp, iat, ...claims } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  assert.equal(exp - iat, 300);
  assert.deepEqual(claims, { sub: 'u5', pgtally: { read: [{ tally: 'mine', prefix: 'u5/' }], act: ['mine.like', 'mine.unlike'] } });
});
