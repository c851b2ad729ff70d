// A folder as somebody has it who uses the package: the examples, the frameworks, and the package that `npm pack` makes.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Makes the folder; `modules` is a folder node_modules. Returns its path. */
export async function makeWorkshop(modules = at('node_modules')) {
  const folder = await mkdtemp(join(tmpdir(), 'pgtally-examples-'));
  await cp(at('../../server/web/examples'), folder, { recursive: true, filter: (path) => !path.includes('node_modules') });
  const own = join(folder, 'node_modules');
  await mkdir(own);
  for (const name of await readdir(modules)) {
    if (name !== 'pgtally') await symlink(join(modules, name), join(own, name));
  }
  await unpack(own);
  return folder;
}

/** Makes the package, as a registry would have it, and installs it in a folder node_modules. */
export async function unpack(modules) {
  const words = ['pack', '--silent', '--offline', '--pack-destination', modules];
  const { stdout } = await execute('npm', words, { cwd: at('../../server/web/client') });
  const archive = join(modules, stdout.trim());
  await execute('tar', ['-xzf', archive, '-C', modules, '--transform', 's/^package/pgtally/']);
  await rm(archive);
}

/**
 * Builds a folder of the workshop, as the examples' README says, into `out`. Frameworks are built for development, where
 * they complain, and where React's StrictMode mounts everything twice. `ssr` names a module to build for Node, instead of
 * the page.
 */
export async function build(workshop, folder, out, ssr) {
  process.env.NODE_ENV = 'development';
  const vite = await import('vite');
  await vite.build({
    root: join(workshop, folder),
    configFile: join(workshop, 'vite.config.js'),
    mode: 'development',
    logLevel: 'warn',
    build: { outDir: out, emptyOutDir: true, minify: false, reportCompressedSize: false, ...(ssr && { ssr }) },
  });
}
