#!/bin/bash
# Makes a run of the parts of slurm-parts.sh; see there.
#SBATCH --job-name=luthier-merge
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
set -euo pipefail

exec luthier merge "$RUN" --threads "$SLURM_CPUS_PER_TASK"
