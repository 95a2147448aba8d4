# A tree of shells that talk through pipes.
produce() { i=0; while :; do i=$((i + 1)); echo "$i"; sleep 0.05; done; }
double() { while read -r n; do echo "$((n * 2))"; done; }
produce | double | while read -r n; do echo "got $n"; done
