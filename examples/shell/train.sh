#!/bin/sh
# Any program will do: here Newton's method finds the square root of 2, a step an epoch. lowtide reads `Epoch 3/6`.
#
#     lowtide submit --checkpoint -- ./train.sh 6
#
# usage: train.sh [EPOCHS [SECONDS_AN_EPOCH]]
set -eu

epochs=${1:-6}
seconds=${2:-1}
checkpoint=${CHECKPOINT:-train.checkpoint}

epoch=0
guess=1
if [ "${LOWTIDE_RESUME:-0}" = 1 ] && [ -f "$checkpoint" ]; then
    read -r epoch guess <"$checkpoint"
fi

while [ "$epoch" -lt "$epochs" ]; do
    guess=$(awk -v x="$guess" 'BEGIN { printf "%.12f", (x + 2 / x) / 2 }')
    sleep "$seconds"
    epoch=$((epoch + 1))
    # Written under another name first, so that a checkpoint is never half of one; and before the epoch is told.
    echo "$epoch $guess" >"$checkpoint.unfinished"
    mv "$checkpoint.unfinished" "$checkpoint"
    echo "Epoch $epoch/$epochs guess=$guess"
done
