# SPDX-License-Identifier: Apache-2.0
"""Loads of unmodified programs of the distribution, for completeness.py.

A load is a list of commands, each of which ends by itself after seconds at most. Several workers run through the list
at once, each in a folder of its own below the one that holds the inputs.

Run as a program it is the load itself: completeness_loads.py NAME FOLDER CPU-SECONDS [WORKERS] runs every command at
least once, and on until all have spent that much CPU time. There are as many workers as CPUs by default.
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import threading


@dataclasses.dataclass(frozen=True)
class Load:
    """`commands(folder)` are argument lists, run with `folder`/workerN as working folder; `prepare(folder)` makes their
    inputs, once. `processes` are how the names of its processes begin that count as the program."""

    name: str
    processes: tuple
    commands: object
    prepare: object = lambda folder: None
    least_percent: float = 99.9
    program: str = ""  # by default `name` in PATH

    @property
    def path(self):
        """Where the program is; "" if it is not installed."""
        return os.path.realpath(found) if (found := self.program or shutil.which(self.name)) else ""


def _text(folder):
    """Some megabytes of words: compressible, but not too well."""
    generator = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(generator.choices(letters, k=generator.randrange(2, 11))) for _ in range(4000)]
    with open(folder / "text", "w", encoding="ascii") as file:
        for _ in range(100_000):
            file.write(" ".join(generator.choices(words, k=12)) + "\n")


def _compressed(folder):
    _text(folder)
    subprocess.run(["xz", "-1", "-k", "-f", folder / "text"], check=True)
    subprocess.run(["zstd", "-q", "-f", folder / "text"], check=True)


OPENSSL_SPEED = (
    ["-evp", "aes-256-gcm"],
    ["-evp", "aes-128-cbc"],
    ["-evp", "chacha20-poly1305"],
    ["-evp", "camellia-256-cbc"],
    ["-evp", "sha256"],
    ["-evp", "sha512"],
    ["-evp", "sha3-256"],
    ["-evp", "blake2b512"],
    ["-evp", "md5"],
)


def _openssl(folder):
    common = ["/usr/bin/openssl", "speed", "-seconds", "1"]
    ciphers = [[*common, "-bytes", "16384", *choice] for choice in OPENSSL_SPEED]
    return [*ciphers, [*common, "rsa2048"], [*common, "ecdsap256"], [*common, "ecdhx25519"]]


def _repository(folder):
    """A repository with two hundred versions of forty files, written as a stream for git fast-import."""
    repository = folder / "repository"
    shutil.rmtree(repository, ignore_errors=True)
    subprocess.run(["git", "init", "-q", "--bare", repository], check=True)
    generator = random.Random(2)
    sources = sorted(pathlib.Path("/usr/lib/python3.11").glob("*.py"))[:40]
    texts = {source.name: source.read_text(encoding="utf-8", errors="replace").splitlines(True) for source in sources}
    stream = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=repository, stdin=subprocess.PIPE)
    for version in range(200):
        message = f"version {version}"
        stream.stdin.write(
            f"commit refs/heads/main\ncommitter A <a@b> {1700000000 + version} +0000\n"
            f"data {len(message)}\n{message}\n".encode()
        )
        for name in texts if version == 0 else generator.sample(sorted(texts), 8):
            lines = texts[name]
            for _ in range(10):
                lines[generator.randrange(len(lines))] = f"# {generator.random()}\n"
            data = "".join(lines).encode()
            stream.stdin.write(f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n")
    stream.stdin.close()
    if stream.wait() != 0:
        raise RuntimeError("git fast-import failed")


def _git(folder):
    copy = ["git", "clone", "-q", "--bare", "--no-local", str(folder / "repository"), "copy.git"]
    collect = ["git", "-C", "copy.git", "gc", "-q", "--aggressive", "--force", "--prune=now"]
    return [["rm", "-rf", "copy.git"], copy, collect, collect, collect]


SQL = """
create table item(id integer primary key, name text, amount real, parent integer);
insert into item with recursive n(i) as (select 1 union all select i + 1 from n where i < 250000)
  select i, printf('%x-%d', i * 2654435761, i), (i * 7919) % 1000 / 3.0, i / 7 from n;
create index by_name on item(name);
create index by_parent on item(parent, amount);
select count(*), sum(a.amount) from item a join item b on b.parent = a.id where b.name like '%a%';
select parent, group_concat(name), avg(amount) over (partition by parent % 10 order by amount)
  from item group by parent order by 3 desc limit 5;
select json_extract(json_object('n', name, 'l', json_array(amount, parent)), '$.l[0]') x
  from item order by x desc limit 3;
delete from item where id % 3 = 0;
"""

PYTHON = r"""
import functools, hashlib, heapq, json, re, zlib, decimal, ast
class Node:
    def __init__(self, value, left=None, right=None): self.value, self.left, self.right = value, left, right
    def insert(self, value):
        side = "left" if value < self.value else "right"
        child = getattr(self, side)
        if child is None: setattr(self, side, Node(value))
        else: child.insert(value)
    def __iter__(self):
        if self.left: yield from self.left
        yield self.value
        if self.right: yield from self.right
@functools.lru_cache(None)
def ways(n): return 1 if n < 2 else ways(n - 1) + ways(n - 2)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
for turn in range(15):
    root = Node(500)
    for i in range(6000): root.insert(i * 7919 % 10007)
    assert list(root) == sorted(root)
    text = json.dumps([{"id": i, "name": f"item {i}", "tags": ["a", "b"] * 3} for i in range(3000)])
    data = json.loads(text)
    re.sub(r"(\w+) (\d+)", lambda m: m[2] + m[1], text)
    zlib.decompress(zlib.compress(text.encode(), 6)); hashlib.sha256(text.encode() * 20).hexdigest()
    heapq.nsmallest(50, data, key=lambda d: -d["id"]); fib(19); ways(80)
    compile(ast.parse("x = [i ** 2 for i in range(10) if i % 2]\n" * 100), "x", "exec")
    decimal.getcontext().prec = 200; sum(decimal.Decimal(1) / i for i in range(1, 800))
"""

PERL = r"""
use strict; my (%count, @words);
sub fib { my $n = shift; return $n < 2 ? $n : fib($n - 1) + fib($n - 2) }
for my $turn (1 .. 3) {
  open(my $file, "<", $ARGV[0]) or die; my $n = 0;
  while (my $line = <$file>) {
    last if ++$n > 12000;
    $line =~ s/([aeiou])([a-z])/$2$1/g;
    $count{$_}++ for split /\s+/, $line;
    push @words, $1 if $line =~ /\b(\w{3,}?)s?\b.*?(\w+)\1/;
  }
  my @sorted = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
  fib(17); my $text = join ",", map { sprintf "%s=%d", $_, $count{$_} } @sorted[0 .. 500];
}
"""

BASH = r"""
fib() { local n=$1; if ((n < 2)); then result=$n; return; fi
  fib $((n - 1)); local a=$result; fib $((n - 2)); result=$((a + result)); }
declare -A seen
for ((turn = 0; turn < 4; turn++)); do
  fib 13
  for ((i = 0; i < 6000; i++)); do
    word="item-$((i * 7919 % 1009))"; seen[$word]=$((${seen[$word]:-0} + 1))
    if [[ $word =~ ^item-([0-9]+)5$ ]]; then number=${BASH_REMATCH[1]}; text+=${number/1/x}; fi
    case $word in *-1*) text=${text: -200} ;; *9) text=${text^^} ;; esac
  done
  printf -v line '%s ' "${!seen[@]}"
done
"""

CXX = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>
template <int N> struct Tree {
  std::map<std::string, std::tuple<Tree<N - 1>, int>> children;
  std::vector<Tree<N - 1>> list;
};
template <> struct Tree<0> { std::variant<int, double, std::string> value; };
template <int N> size_t Count(const Tree<N>& tree) {
  size_t sum = 0;
  for (const auto& [name, child] : tree.children) sum += Count(std::get<0>(child)) + name.size();
  for (const auto& child : tree.list) sum += Count(child);
  return sum;
}
template <> size_t Count<0>(const Tree<0>& tree) {
  return std::visit([](const auto& value) { return sizeof(value); }, tree.value);
}
int main(int argc, char** argv) {
  Tree<8> tree;
  std::unordered_map<std::string, std::function<bool(const std::smatch&)>> rules;
  std::regex pattern("([a-z]+)-([0-9]+)");
  std::vector<std::string> words(argv, argv + argc);
  std::stable_sort(words.begin(), words.end(), [](auto& a, auto& b) { return a.size() < b.size(); });
  for (const auto& word : words) { std::smatch match; if (std::regex_match(word, match, pattern)) rules[word](match); }
  std::cout << Count(tree) << words.size();
}
"""

NODE = r"""
class Shape { constructor(n) { this.n = n; } area() { return this.n * this.n; } }
class Circle extends Shape { area() { return Math.PI * super.area(); } }
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
const crypto = require("crypto"), zlib = require("zlib");
for (let turn = 0; turn < 8; turn++) {
  const items = Array.from({length: 30000}, (_, i) => (
    {id: i * 7919 % 10007, name: "item " + i, shape: i % 2 ? new Shape(i) : new Circle(i)}));
  const text = JSON.stringify(items.map(({id, name}) => ({id, name})));
  JSON.parse(text).sort((a, b) => a.id - b.id || (a.name < b.name ? -1 : 1));
  const seen = new Map();
  for (const item of items) seen.set(item.id, (seen.get(item.id) ?? 0) + item.shape.area());
  text.replace(/"(\w+)":(\d+)/g, (all, key, value) => key + value); fib(24);
  zlib.inflateSync(zlib.deflateSync(text)); crypto.createHash("sha256").update(text).digest("hex");
  crypto.pbkdf2("secret", "salt", 20000, 32, "sha512", () => {});
}
"""


def _source(folder):
    (folder / "heavy.cc").write_text(CXX, encoding="ascii")


def _script(name, text):
    def prepare(folder):
        (folder / name).write_text(text, encoding="ascii")

    return prepare


def _perl_inputs(folder):
    _text(folder)
    _script("load.pl", PERL)(folder)


def _x265(folder):
    source = "testsrc2=size=1280x720:rate=30"
    encode = ["-c:v", "libx265", "-preset", "medium", "-x265-params", "log-level=error", "-f", "null", "-"]
    return [["/usr/bin/ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-frames:v", "12", *encode]]


LOADS = {
    load.name: load
    for load in (
        Load("openssl", ("openssl",), _openssl),
        Load(
            "xz",
            ("xz",),
            lambda folder: [
                ["/usr/bin/xz", "-1", "-T1", "-c", str(folder / "text")],
                *[["/usr/bin/xz", "-d", "-c", str(folder / "text.xz")]] * 6,
            ],
            _compressed,
        ),
        Load(
            "zstd",
            ("zstd",),
            lambda folder: [
                ["/usr/bin/zstd", "-q", "-c", level, str(folder / "text")] for level in ("-3", "-9", "-12")
            ]
            + [["/usr/bin/zstd", "-q", "-d", "-c", str(folder / "text.zst")]] * 10,
            _compressed,
        ),
        Load("git", ("git",), _git, _repository),
        Load(
            "sqlite3",
            ("sqlite3",),
            lambda folder: [["/usr/bin/sqlite3", "-init", str(folder / "load.sql"), ":memory:", ".quit"]],
            _script("load.sql", SQL),
        ),
        Load(
            "python3",
            ("python3",),
            lambda folder: [["/usr/bin/python3", str(folder / "load.py")]],
            _script("load.py", PYTHON),
            program="/usr/bin/python3",
        ),
        Load(
            "perl",
            ("perl",),
            lambda folder: [["/usr/bin/perl", str(folder / "load.pl"), str(folder / "text")]],
            _perl_inputs,
        ),
        Load("bash", ("bash",), lambda folder: [["/bin/bash", str(folder / "load.bash")]], _script("load.bash", BASH)),
        Load(
            "gcc",
            ("cc1plus",),
            lambda folder: [["/usr/bin/g++", "-O2", "-std=c++20", "-c", str(folder / "heavy.cc"), "-o", "heavy.o"]],
            _source,
            program="/usr/bin/g++",
        ),
        Load("node", ("node",), lambda folder: [["node", str(folder / "load.js")]], _script("load.js", NODE)),
        Load(
            "clang",
            ("clang",),
            lambda folder: [["/usr/bin/clang++-16", "-O2", "-std=c++20", "-c", str(folder / "heavy.cc"), "-o", "out.o"]],
            _source,
            program="/usr/bin/clang++-16",
        ),
        Load("ffmpeg", ("ffmpeg",), _x265, least_percent=99.0),
    )
}


def children_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(load, folder, cpu_seconds, workers):
    """Runs through the commands with several workers, each through all of them and then on until they have spent
    `cpu_seconds` together."""
    commands = load.commands(folder)
    enough = threading.Event()

    def work(number):
        own = folder / f"worker{number}"
        own.mkdir(exist_ok=True)
        done = 0
        while done < len(commands) or not enough.is_set():
            command = commands[done % len(commands)]
            subprocess.run(command, cwd=own, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
            done += 1
            if children_cpu_seconds() >= cpu_seconds:
                enough.set()

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for worker in [pool.submit(work, number) for number in range(workers)]:
            worker.result()


if __name__ == "__main__":
    run(
        LOADS[sys.argv[1]],
        pathlib.Path(sys.argv[2]),
        float(sys.argv[3]),
        int(sys.argv[4]) if len(sys.argv) > 4 else os.cpu_count() or 1,
    )
