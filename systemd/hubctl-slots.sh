#!/bin/sh
# hubctl of the version that runs; of the one that was installed by hand where no slot runs.
place=/run/hubd-slots/now
[ -x "$place/bin/python" ] || place=/opt/hubd
exec "$place/bin/python" -P -m hubctl "$@"
