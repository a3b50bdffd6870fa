"""`python -m tests.checks`: exit status 1 with a sentence for each thing that is not true."""

import sys

from tests.checks import capabilities, documented, faults, generated, image_locks, settings_page


def main(arguments: list[str]) -> int:
    """Check, or with `--write` make what is made of the docs."""
    if arguments == ["--write"]:
        settings_page.write()
        faults.write()
        capabilities.write()
        return 0
    wrong = [
        *generated.differences(),
        *image_locks.differences(),
        *settings_page.differences(),
        *faults.differences(),
        *capabilities.differences(),
        *documented.differences(),
    ]
    sys.stderr.writelines(f"{sentence}\n" for sentence in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
