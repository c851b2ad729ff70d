"""server/bundle.cmake makes one module of several, without Node. What it makes has to do what they did."""

import pathlib
import subprocess

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "server" / "bundle.cmake"


def bundle(folder, files, *options):
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    out = folder / "out.mjs"
    made = subprocess.run(
        ["cmake", "-D", f"ENTRY={folder}/index.js", "-D", f"OUTPUT={out}", "-D", "TITLE=A title.", *options, "-P", SCRIPT],
        capture_output=True, text=True)
    return out, made


def test_modules_become_one_and_their_names_do_not_collide(tmp_path):
    out, made = bundle(tmp_path, {
        "index.js": "/** Doc; with 'one quote. */\nimport { twice as double } from './a.js';\nexport { name } from './sub/b.js';\n"
                    "export const result = double(4); // a comment\nexport const text = 'https://x // y'; // it's one\n",
        "a.js": "import {\n  name,\n} from './sub/b.js';\nconst local = 2;\nexport function twice(n) {\n  // a [list]; of things\n"
                "  return `${name} ${local * n}`;\n}\n",
        "sub/b.js": "const local = 'b';\nexport const name = local;\nexport class Unused {}\nexport async function* also() { yield 1; }\n",
    })
    assert made.returncode == 0, made.stderr
    code = out.read_text()
    assert code.startswith("// A title.\n") and "Doc;" not in code and "a comment" not in code and "of things" not in code
    show = f"import('{out}').then((all) => console.log(JSON.stringify(all)))"
    ran = subprocess.run(["node", "-e", show], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == '{"name":"b","result":"b 8","text":"https://x // y"}'


def test_an_external_import_stays(tmp_path):
    out, made = bundle(tmp_path, {"index.js": "import { connect } from './main.js';\nexport const made = connect;\n"},
                       "-D", "EXTERNAL=./main.js", "-D", "EXTERNAL_AS=./pgtally.js")
    assert made.returncode == 0, made.stderr
    assert "import { connect } from './pgtally.js';" in out.read_text()


def test_what_it_cannot_do_is_an_error(tmp_path):
    for text in "export default 1;\n", "import all from './x.js';\n", "import * as all from './x.js';\n", "import { a } from './missing.js';\n":
        _, made = bundle(tmp_path, {"index.js": text})
        assert made.returncode != 0 and "CMake Error" in made.stderr, text
    _, made = bundle(tmp_path, {"index.js": "import { a } from './a.js';\n", "a.js": "import { b } from './b.js';\nexport const a = 1;\n",
                                "b.js": "import { a } from './a.js';\nexport const b = 1;\n"})
    assert made.returncode != 0 and "imports itself" in " ".join(made.stderr.split())  # CMake wraps lines
