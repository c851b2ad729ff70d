import { connect } from 'pgtally';
import { useClient } from 'pgtally/elements.js';

const client = connect({ url: '/v1/ws' });
useClient(client);
const button = document.querySelector('button');
client.value('tweets', '33', { onChange: ({ favs }) => { button.textContent = `♥ ${favs}`; } });
button.onclick = () => client.act('tweets', '33', 'fav');
