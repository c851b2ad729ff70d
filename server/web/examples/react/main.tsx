import { StrictMode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { parse } from 'pgtally';
import { App, type Initial } from './App';

const root = document.getElementById('app')!;
const initial = parse(document.getElementById('initial')?.textContent ?? '{}') as Initial;
const app = (
  <StrictMode>
    <App id="33" initial={initial} />
  </StrictMode>
);
if (root.hasChildNodes()) hydrateRoot(root, app);
else createRoot(root).render(app);
