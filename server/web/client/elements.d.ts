export * from './pgtally-elements.js';
