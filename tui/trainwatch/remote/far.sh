# What runs on the other host: answers requests, one a line, until its input ends. It changes nothing but by `put`.
# A request is MARK VERB WORD..., each word without blanks, its odd bytes written as \0ooo. The answer is bytes, then
# a line MARK STATUS NOW. MARK is drawn anew for each request, so that no file can hold it.
LC_ALL=C
export LC_ALL
unset CDPATH TIME_STYLE QUOTING_STYLE BLOCK_SIZE LS_BLOCK_SIZE
umask 077
all='run.json status.json config.toml labels.json remarks.json metrics.jsonl events.jsonl system.jsonl control.jsonl console.log'

decode() { # sets $text
  case $1 in
  *\\*) text=$(printf '%b.' "$1") && text=${text%.} ;; # the dot keeps newlines at the end
  *) text=$1 ;;
  esac
}

is_run() { [ -f "$1/run.json" ] || [ -f "$1/status.json" ] || [ -f "$1/metrics.jsonl" ]; }

root() { # PATH: where the runs are. Answers the directory and, where PATH is a run, its name.
  decode "$1"
  cd -P "$text" 2>/dev/null || { [ -d "$text" ] && printf 'may not be entered' || printf 'no such directory'; return 1; }
  name=
  if is_run .; then
    name=${PWD##*/}
    cd -P .. || return 1
  fi
  root=$PWD
  printf '%s\0%s\0' "$root" "$name"
}

list() { # The runs there, and which one is the latest.
  cd -P "$root" 2>/dev/null || { printf 'the directory is gone'; return 1; }
  [ -r . ] || { printf 'the directory may not be read'; return 1; }
  newest=$(cd -P ./latest 2>/dev/null && printf '%s' "${PWD##*/}")
  printf '%s\0' "$newest"
  for each in */; do
    each=${each%/}
    if [ ! -L "./$each" ] && is_run "./$each"; then printf '%s\0' "$each"; fi
  done
}

sizes() { # Of what `ls -dlniL` says: inode, size, name; of files that are replaced whole their time as well.
  while read -r inode _ _ _ _ size month day time name; do
    case $name in
    *.jsonl | *.log) printf '%s %s %s\n' "$inode" "$size" "$name" ;;
    *) printf '%s %s %s %s%s%s\n' "$inode" "$size" "$name" "$month" "$day" "$time" ;;
    esac
  done
}

look() { # SUM RUN...: the files of many runs, as far as a table needs them. Names without odd bytes only.
  # Where the answer has that sum, the sum alone: runs that rest cost next to nothing.
  known=$1
  shift
  for run do
    for file in run.json status.json config.toml remarks.json metrics.jsonl events.jsonl; do
      set -- "$@" "$run/$file"
    done
    shift
  done
  found=$(ls -dlniL -- "$@" 2>/dev/null | sizes)
  sum=$(printf '%s' "$found" | cksum 2>/dev/null) || sum=unknown
  sum=${sum%% *}
  printf '%s\n' "$sum"
  if [ "$sum" != "$known" ] || [ "$sum" = unknown ]; then printf '%s\n' "$found"; fi
}

one() ( # RUN SUM: all files of a run, its checkpoints, and status.json where its sum is another.
  decode "$1"
  cd -P "./$text" 2>/dev/null || return 1
  ls -dlniL -- $all control.d/*.json 2>/dev/null | sizes
  for each in checkpoints/step-*/; do
    if [ -d "$each" ]; then printf '%s\n' "$each"; fi
  done
  [ -f status.json ] || return 0
  sum=$(cksum <status.json 2>/dev/null) || sum=unknown # some small systems have no cksum: then it always comes
  sum=${sum%% *}
  if [ "$sum" != "$2" ] || [ "$sum" = unknown ]; then printf '\0%s\0' "$sum" && cat status.json 2>/dev/null; fi
)

fetch() { # RUN FILE OFFSET LENGTH: at most so many bytes.
  decode "$1"
  run=$text
  decode "$2"
  [ -f "./$run/$text" ] || return 1
  if [ "$3" -eq 0 ]; then
    dd bs="$4" count=1 <"./$run/$text"
  else # the first dd moves to the place, which is the second one's too
    { dd bs=1 skip="$3" count=1 && dd bs="$(($4 - 1))" count=1; } <"./$run/$text"
  fi
}

put() { # RUN FILE TEXT: replace a file, whole.
  decode "$1"
  run=./$text
  decode "$2"
  case $text in
  remarks.json) folder=$run ;;
  */*/* | *..*) return 2 ;;
  control.d/?*.json) folder=$run/control.d ;;
  *) return 2 ;;
  esac
  [ -d "$run" ] || { printf 'the run is gone'; return 1; }
  [ -d "$folder" ] || mkdir -m 700 "$folder" 2>&1 || return 1
  new=$folder/.${text##*/}.$$.tmp
  if printf '%b' "$3" 2>&1 >"$new" && mv -f "$new" "$run/$text" 2>&1; then return 0; fi
  rm -f "$new"
  return 1
}

set -f
while read -r mark verb words; do
  set -- $words
  set +f
  case $verb in
  root | list | look | one | fetch | put) "$verb" "$@" 2>/dev/null </dev/null ;;
  *) false ;;
  esac
  status=$?
  printf '\n%s %s %s\n' "$mark" "$status" "$(date +%s)"
  set -f
done
