# start.sh COURSE PYTHON …: a student's copy of the labs, brought up to date, then the student's server; run as the student.
set -eu
course=$1 python=$2
shift 2
umask 077
chmod 700 "$HOME"
mkdir -p "$HOME/labs"
for file in "$course"/*; do # what is there stays
  test -e "$HOME/labs/${file##*/}" || cp "$file" "$HOME/labs/"
done
"$python" -m seqlab update "$HOME/labs" --new "$course"
exec "$python" -m jupyterhub.singleuser "$@"
