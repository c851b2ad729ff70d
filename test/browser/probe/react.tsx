import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from '../react/App';

const root = createRoot(document.getElementById('react')!);
export const showReact = (id: string) => root.render(<StrictMode><App id={id} /></StrictMode>);
export const leaveReact = () => root.unmount();
