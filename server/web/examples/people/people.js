/**
 * "Did I like it?" for whoever is logged in, beside what everybody likes. The tally "tweets" is public. The tally "mine" has
 * a key for each person and message, "u4/33"; a token for the prefix "u4/" reads those of one person and acts on them.
 *
 * login.py knows who is logged in, by a cookie that this script cannot read, and hands out the tokens.
 */
const module = document.getElementById('client').href; // /pgtally.js, of pgtally's address
const { connect } = await import(module);

const shownMax = 50;
const $ = (id) => document.getElementById(id);
const cards = new Map(); // message -> { heart, number }
let me = null; // { person: 'u4', name: 'Hermia', token }
let client = null;
let likes = null; // the subscription of everybody's numbers
let mine = null; // the subscription of this person's hearts

const own = (message) => `${me.person}/${message}`;
const messageOf = (key) => key.slice(key.indexOf('/') + 1);

// ---- who one is

/** A POST to login.py: who is logged in, with a token; null if nobody is. */
async function ask(path, body = {}) {
  const response = await fetch(path, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`the login answers ${response.status}`);
  return response.json();
}

/** Asked for at the beginning, again before each token ends, and when one is refused. */
async function getToken() {
  const session = await ask('token');
  if (session?.person !== me?.person) follow(session); // logged out, or somebody else, in another window
  return session?.token;
}

/** Follows the numbers as this person, or as nobody. A client is of one person for its whole life. */
function follow(session) {
  client?.close();
  me = session;
  $('who').textContent = me ? `You are ${me.name}. A filled heart is a like of yours.` : 'Nobody is logged in. You see what everybody likes; to like, choose who you are.';
  for (const button of $('people').children) button.hidden = button.dataset.person === (me?.person ?? '');
  for (const { heart } of cards.values()) {
    heart.disabled = !me;
    heart.ariaPressed = 'false';
  }
  client = connect(me ? { getToken } : {});
  const keys = [...cards.keys()];
  likes = client.subscribe({ tally: 'tweets', keys }, { onChange: showLikes, onState: showState });
  mine = me && client.subscribe({ tally: 'mine', keys: keys.map(own) }, { onChange: showMine, onState: showState });
  showState();
}

$('people').addEventListener('click', async ({ target }) => {
  const { person } = target.dataset;
  if (person === undefined) return;
  await attempt(async () => follow(person ? await ask('login', { person }) : await ask('logout').then(() => null)));
});

// ---- what is liked

function showLikes(changed) {
  for (const [message, { favs }] of changed) cards.get(message).number.textContent = favs;
}

function showMine(changed) {
  for (const [key, counters] of changed) cards.get(messageOf(key)).heart.ariaPressed = String(counters.likes > 0);
}

/** The page is live when both tallies are. */
function showState() {
  const { state, reason } = [likes, mine].find((one) => one && one.state.state !== 'live')?.state ?? { state: 'live' };
  $('list').dataset.state = state;
  $('state').textContent = state === 'live' ? 'Live' : reason ?? state;
}

// The database allows one like per person and message, so that a second click of another window changes nothing.
$('list').addEventListener('click', async ({ target }) => {
  const heart = target.closest('button');
  if (!heart) return;
  const action = heart.ariaPressed === 'true' ? 'unlike' : 'like';
  await attempt(() => client.act('mine', own(heart.value), action));
});

async function attempt(run) {
  $('trouble').textContent = '';
  try {
    await run();
  } catch ({ message }) {
    $('trouble').textContent = `That did not work: ${message}.`;
  }
}

// ---- the messages

function draw(message, { author, text }) {
  const card = document.createElement('li');
  const words = document.createElement('p');
  const heart = document.createElement('button');
  const number = document.createElement('span');
  words.textContent = text;
  words.prepend(Object.assign(document.createElement('strong'), { textContent: author }));
  Object.assign(heart, { type: 'button', value: message, disabled: !me, ariaPressed: 'false', ariaLabel: `I like this, ${author}`, textContent: '♥' });
  number.textContent = '–';
  card.append(words, heart, number);
  $('list').append(card);
  cards.set(message, { heart, number });
}

/** Draws the messages that are new, until there are enough of them. */
async function learn() {
  const texts = await fetch(new URL('labels/tweets.json', module)).then((answer) => (answer.ok ? answer.json() : {})).catch(() => ({}));
  const fresh = Object.keys(texts).slice(0, shownMax).filter((message) => !cards.has(message));
  for (const message of fresh) draw(message, texts[message]);
  likes?.track(fresh);
  mine?.track(fresh.map(own));
  if (cards.size < shownMax) setTimeout(learn, 2_000);
}

await learn();
await attempt(async () => follow(await ask('token')));
