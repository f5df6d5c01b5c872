"""A Vagrant box of Debian packages, for hosts that have no box from elsewhere: `python -m vm.box FILE`."""
