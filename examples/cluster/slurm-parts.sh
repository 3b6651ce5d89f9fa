#!/bin/bash
# The parts of a run as a Slurm job array; slurm-merge.sh follows it:
#
#   export MODEL=/shared/models/Qwen3-32B RECIPE=hqq-int4-g64 RUN=/shared/runs/qwen3-32b
#   parts=$(sbatch --parsable examples/cluster/slurm-parts.sh)
#   sbatch --dependency=afterok:$parts examples/cluster/slurm-merge.sh
#
# A part that failed: sbatch --array=3 examples/cluster/slurm-parts.sh
#SBATCH --job-name=luthier-parts
#SBATCH --array=1-4
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail

PARTS=${PARTS:-4} # as --array; SLURM_ARRAY_TASK_COUNT would be 1 when one part is run again
exec luthier quantize "$MODEL" --recipe "$RECIPE" --out "$RUN" \
  --part "$SLURM_ARRAY_TASK_ID/$PARTS" --threads "$SLURM_CPUS_PER_TASK"
