"""`python -m moo_fs` is `moo-fs`."""

from moo_fs.cli import main

if __name__ == "__main__":
    main()
