#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the sources of the two libraries that the program lazy binds: make_imports.py COUNT EXPORTS.c IMPORTS.c"""

import sys

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"


def main():
    count = int(sys.argv[1])
    names = [f"exported_{number}" for number in range(count)]
    with open(sys.argv[2], "w", encoding="ascii") as exports:
        exports.write(LICENCE)
        exports.writelines(f"int {name}(void) {{ return {number}; }}\n" for number, name in enumerate(names))
    with open(sys.argv[3], "w", encoding="ascii") as imports:
        imports.write(LICENCE)
        imports.writelines(f"int {name}(void);\n" for name in names)
        imports.write("int binds_all(void);\nint binds_all(void) {\n  int sum = 0;\n")
        imports.writelines(f"  sum += {name}();\n" for name in names)
        imports.write("  return sum;\n}\n")


if __name__ == "__main__":
    main()
