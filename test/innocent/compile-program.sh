#!/bin/bash
# A C program of sixty units is built, cleaned and built again with other options.
# tools: make, gcc, ar, strip
# order: .o files, a library and a program written; all deleted; written again; the program rewritten in place
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
mkdir "$target/Engineering/program"; cd "$target/Engineering/program"

units=60
for unit in $(seq "$units"); do
  cat > "unit$unit.c" <<C
#include "units.h"
static const char *const words[] = { "unit", "$unit", "of", "$units" };
int unit$unit(int seed) {
  int sum = seed;
  for (int index = 0; index < $unit; index += 1) sum += index * (int) words[index % 4][0] % 7;
  return sum - seed + $unit;
}
C
  echo "int unit$unit(int seed);" >> units.h
done
{
  echo '#include <stdio.h>'; echo '#include "units.h"'; echo 'int main(void) { int sum = 0;'
  for unit in $(seq "$units"); do echo "  sum += unit$unit(sum);"; done
  echo '  printf("%d\n", sum); return 0; }'
} > main.c
printf '%s\n' 'OBJECTS = $(patsubst %.c,%.o,$(wildcard unit*.c))' 'program: main.o libunits.a' '	$(CC) $(CFLAGS) -o $@ main.o libunits.a' \
  'libunits.a: $(OBJECTS)' '	ar rcs $@ $(OBJECTS)' '%.o: %.c units.h' '	$(CC) $(CFLAGS) -c -o $@ $<' 'clean:' '	rm -f program libunits.a *.o' > Makefile

make -s -j2 CFLAGS='-O0 -g'; first=$(./program)
make -s clean; [ ! -e program ]
make -s -j2 CFLAGS=-O1; strip program
[ "$(./program)" = "$first" ]
