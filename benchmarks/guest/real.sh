#!/bin/bash
# Real programs of Debian, each between a BEGIN and an END line, timed by whoever reads the console. Runs in the guest, and natively in the
# same tree. The first argument is a list of names, with commas around each, or nothing for all.
export LC_ALL=C HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/go/bin OPENSSL_CONF=/dev/null GOCACHE=/dev/shm/go GOFLAGS=-mod=mod GO111MODULE=off
only=${1:-}
cd /dev/shm || exit 1

run() { # name, then the command
  local name=$1
  shift
  if [ -n "$only" ] && [[ $only != *,$name,* ]]; then return; fi
  echo "BEGIN $name"
  "$@" >/dev/null 2>err || echo "FAILED $name: $(head -c 200 err)"
  echo "END $name 1 0"
}

# inputs, the same everywhere
head -c 134217728 /dev/zero >zeros
for _ in 1 2 3; do cat /usr/lib/python3*/*.py; done | head -c 16777216 >text
python3 - <<'P'
lines = ['#include <stdio.h>', '#include <stdlib.h>', '#include <string.h>']
for i in range(170):
    lines.append(f'static int f{i}(int a, int b, const char *s) {{ int r = {i}; for (int j = 0; j < a; j++) {{ r = r * 31 + (b ^ j);'
                 f' if (r & {1 << (i % 12)}) r -= (int)strlen(s) * {i % 7 + 1}; else r += a * b;'
                 ' switch (r & 7) { case 0: r ^= a; break; case 3: r += b; break; case 5: r = abs(r); } } return r; }')
lines.append('int main(int c, char **v) { int r = 0; ' + ' '.join(f'r += f{i}(c, r, v[0]);' for i in range(170)) + ' printf("%d\\n", r); }')
open('gen.c', 'w').write('\n'.join(lines))
for i in range(24):
    open(f'part{i}.c', 'w').write('\n'.join(lines[:40]).replace('static int f', f'int p{i}_'))
open('Makefile', 'w').write('all: ' + ' '.join(f'part{i}.o' for i in range(24)) + '\n%.o: %.c\n\tgcc -O1 -c $< -o $@\n')
open('gen.cc', 'w').write('#include <map>\n#include <regex>\n#include <string>\n#include <iostream>\n#include <algorithm>\n#include <vector>\n'
    'int main() { std::map<std::string, std::vector<int>> m; std::regex r("(a|b)*c"); for (int i = 0; i < 9; i++) m[std::to_string(i)].push_back(i);'
    ' std::vector<int> v{3, 1, 2}; std::sort(v.begin(), v.end()); std::cout << m.size() << std::regex_match("abc", r) << v[0]; }\n')
open('Gen.java', 'w').write('import java.util.*; import java.util.stream.*; public class Gen {'
    + ''.join(f' static int m{i}(int a) {{ return IntStream.range(0, a).filter(x -> x % {i + 2} == 0).sum(); }}' for i in range(60))
    + ' public static void main(String[] a) { Map<String, Integer> m = new TreeMap<>(); for (int i = 0; i < 300000; i++) m.merge("k" + i % 5003, i, Integer::sum);'
    + ' System.out.println(m.values().stream().mapToLong(x -> x).sum()' + ''.join(f' + m{i}(1000)' for i in range(60)) + '); } }')
open('gen.go', 'w').write('package main\n\nimport (\n\t"encoding/json"\n\t"fmt"\n\t"sort"\n)\n\nfunc main() {\n\tv := []int{3, 1, 2}\n\tsort.Ints(v)\n'
    '\tb, _ := json.Marshal(v)\n\tfmt.Println(string(b))\n}\n')
P

echo "GUESTBENCH START"
run gcc gcc -O2 -c gen.c -o gen.o
run gccsmall sh -c 'for i in 1 2 3 4 5 6; do echo "int main() { return $i; }" >s.c; gcc s.c -o s; ./s; done; true'
run gpp g++ -O1 -c gen.cc -o gen.oo
run make make -s -B -j"$(nproc)"
run shell sh -c 'i=0; while [ $i -lt 600 ]; do /bin/true; i=$((i + 1)); done'
run python python3 -c "
import json, re
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
fib(25)
d = {str(i): [i] * 5 for i in range(20000)}
for _ in range(4): json.loads(json.dumps(d))
s = 'the quick brown fox ' * 20000
for _ in range(6): re.findall(r'(\w+) (\w+)', s)
a = sorted((i * 7919) % 100003 for i in range(300000))
"
run perl perl -e 'my %h; for my $i (1..400000) { $h{"k" . ($i * 7919 % 100003)} += $i } my $s = 0; for my $k (sort keys %h) { $s += length($k) * $h{$k} }
  my $t = "abc def ghi " x 40000; my $n = 0; $n++ while $t =~ /(\w+)\s/g; print $s + $n'
run node node -e 'let a = []; for (let i = 0; i < 400000; i++) a.push({ k: (i * 7919) % 100003, s: "x" + i }); a.sort((x, y) => x.k - y.k);
  let m = new Map(); for (const o of a) m.set(o.s, o.k); let r = JSON.stringify(a).length; function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }
  console.log(r, fib(30), m.size)'
run javac javac -J-XX:TieredStopAtLevel=1 Gen.java
run java sh -c 'test -f Gen.class || javac Gen.java; java Gen'
run gobuild sh -c 'rm -rf go; go build -o gen.out gen.go'
run xz sh -c 'xz -3 -k -c text | tail -c 1'
run zstd sh -c 'zstd -9 -c text | zstd -d | tail -c 1'
run gzip sh -c 'gzip -6 -c text | tail -c 1'
run sevenzip sh -c '7z a -mx=3 -mmt=1 a.7z text; rm -f a.7z'
run sha256 openssl dgst -sha256 zeros
key=00112233445566778899aabbccddeeff
run aes openssl enc -aes-256-ctr -K $key$key -iv $key -in zeros -out /dev/null
run chacha20 openssl enc -chacha20 -K $key$key -iv $key -in zeros -out /dev/null
run rsa sh -c 'openssl genrsa -out k.pem 2048; for i in 1 2 3 4 5 6 7 8 9 10; do openssl dgst -sha256 -sign k.pem -out sig err; done'
run sqlite sh -c 'rm -f t.db; sqlite3 t.db "pragma journal_mode=wal; create table t(a integer primary key, b text, c real);
  with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000) insert into t select i, hex(randomblob(8)), random() from n;
  create index x on t(b); select count(*), sum(c) from t where b like \"A%\"; select a.b from t a join t b on a.a = b.a + 1 order by a.c limit 5;"'
run git sh -c 'rm -rf g; mkdir g; cd g; git init -q; git config user.email a@example.org; git config user.name a; i=0;
  while [ $i -lt 800 ]; do echo "file $i $i" >f$i; i=$((i + 1)); done; git add .; git commit -qm one; git log --stat | tail -1; git gc -q'
run tar sh -c 'tar cf - /usr/lib/python3* 2>/dev/null | tail -c 1'
run find sh -c 'find /usr/bin /usr/share /usr/lib/python3* -type f | xargs -n 50 stat -c %s | sort -n | tail -1'
run grep sh -c 'grep -rc import /usr/lib/python3* | wc -l'
run mutex sysbench mutex --threads=4 --mutex-num=256 --mutex-locks=20000 run
run matrix stress-ng --matrix 1 --matrix-ops 250
run dd sh -c 'dd if=/dev/zero of=/bigfile bs=1M count=128 conv=fsync; rm -f /bigfile'
echo "GUESTBENCH DONE"
