/** The package's entry `pgtally/elements.js`, as a file of that name: not every bundler reads `exports`. */
export * from './pgtally-elements.js';
