#!/bin/sh
# The parts of a run side by side on one machine, then the run; nothing but a shell is needed:
#
#   MODEL=models/tiny RECIPE=trit-planes-g128 RUN=runs/tiny PARTS=2 examples/cluster/loop.sh
set -eu

PARTS=${PARTS:-4}
THREADS=${THREADS:-1}
pids=
for part in $(seq "$PARTS"); do
  luthier quantize "$MODEL" --recipe "$RECIPE" --out "$RUN" --part "$part/$PARTS" --threads "$THREADS" &
  pids="$pids $!"
done
for pid in $pids; do wait "$pid"; done # a part that failed ends it here, with its error above
luthier merge "$RUN" --threads "$THREADS"
