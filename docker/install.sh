#!/bin/sh
# In the build: a virtual environment in /opt/schwarz that holds what /wheels/$1.txt lists, at the versions of
# constraints.txt. pip itself stays outside.
set -eu

python3 -m venv --without-pip /opt/schwarz
python3 -m pip --python /opt/schwarz/bin/python install --no-compile -r "/wheels/$1.txt"
cd /opt/schwarz/lib/python3*/site-packages
# torch's own tests and C++ headers, 200 MB of them
rm -rf torch/test torch/include torch/bin/*test* torch/bin/*Test torch/bin/protoc*
# Compiled once, here: a container that cannot write would compile at every start. Nothing changes these files any more,
# so that none is ever checked against its source. Some libraries carry examples that do not compile.
python3 -m compileall -qq -j 0 --invalidation-mode unchecked-hash /opt/schwarz || true
