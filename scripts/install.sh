#!/bin/sh
# Installs kfk: downloads the file for this machine and SHA256SUMS, compares, and only then makes the file executable.
#
#   sh install.sh [--url URL] [--version VERSION] [--dir DIR]
#
#   --url      where releases are: URL/vVERSION/kfk-linux-x64 (also KFK_URL)
#   --version  which one (also KFK_VERSION)
#   --dir      folder for the file kfk; default ~/.local/bin (also KFK_DIR)
#
# Needs curl or wget, and sha256sum or shasum. When anything is wrong it leaves what was there untouched.
set -eu

# All is in functions, so that a script that arrives cut off does nothing.
main() {
  url=${KFK_URL:-}
  version=${KFK_VERSION:-}
  dir=${KFK_DIR:-${HOME:+$HOME/.local/bin}}

  while [ $# -gt 0 ]; do
    case $1 in
      --url | --version | --dir)
        [ $# -gt 1 ] || fail "$1 needs a value"
        case $1 in
          --url) url=$2 ;;
          --version) version=$2 ;;
          --dir) dir=$2 ;;
        esac
        shift 2
        ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) fail "unknown argument $1" ;;
    esac
  done
  [ -n "$url" ] || fail "say where releases are with --url URL"
  [ -n "$version" ] || fail "say which version with --version VERSION"
  [ -n "$dir" ] || fail "say where to install with --dir DIR"
  version=${version#v}
  url=${url%/}
  case $dir in
    /*) ;;
    *) dir=$PWD/$dir ;;
  esac
  [ ! -d "$dir/kfk" ] || fail "$dir/kfk is a folder"
  has curl || has wget || fail "needs curl or wget"
  has sha256sum || has shasum || fail "needs sha256sum or shasum"
  choose_file

  made=''
  at=$dir
  while [ ! -e "$at" ]; do
    made=$at${made:+:$made}
    at=$(dirname "$at")
  done
  scratch=''
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir -p "$dir" || fail "cannot make the folder $dir"
  scratch=$(mktemp -d "$dir/.kfk-install.XXXXXX") || fail "cannot write to $dir"

  get "$url/v$version/SHA256SUMS" "$scratch/SHA256SUMS" || fail "cannot get $url/v$version/SHA256SUMS"
  grep -q '^[0-9a-f]\{64\}  .' "$scratch/SHA256SUMS" || fail "$url/v$version/SHA256SUMS is no list of checksums"
  wanted=$(sed -n "s/^\([0-9a-f]\{64\}\)  $file\$/\1/p" "$scratch/SHA256SUMS")
  [ -n "$wanted" ] || fail "version $version has no $file"
  get "$url/v$version/$file" "$scratch/kfk" || fail "cannot get $url/v$version/$file"
  found=$(sum "$scratch/kfk")
  [ "$found" = "$wanted" ] || fail "the checksum of $file is $found and should be $wanted; nothing was installed"
  chmod 755 "$scratch/kfk"
  mv -f "$scratch/kfk" "$dir/kfk" || fail "cannot write $dir/kfk"
  made=''
  echo "install: kfk $version is in $dir" >&2
  case :${PATH:-}: in
    *":$dir:"*) ;;
    *) echo "install: add that folder to PATH" >&2 ;;
  esac
}

usage() {
  cat <<'TEXT'
sh install.sh [--url URL] [--version VERSION] [--dir DIR]

  --url      where releases are: URL/vVERSION/kfk-linux-x64 (also KFK_URL)
  --version  which one (also KFK_VERSION)
  --dir      folder for the file kfk; default ~/.local/bin (also KFK_DIR)

Needs curl or wget, and sha256sum or shasum. When anything is wrong it leaves what was there untouched.
TEXT
}

fail() {
  echo "install: $1" >&2
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

choose_file() {
  case $(uname -s) in
    Linux) system=linux ;;
    Darwin) system=darwin ;;
    *) fail "there is no file for $(uname -s); on Windows take kfk-windows-x64.exe" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) fail "there is no file for $(uname -m)" ;;
  esac
  file=kfk-$system-$machine
  # Alpine and its like have another C library, whose ldd says so
  if [ "$system" = linux ] && ldd --version 2>&1 | grep -qi musl; then
    file=$file-musl
  fi
}

# Short options: BusyBox knows no others everywhere.
get() {
  if has curl; then
    curl --fail --silent --show-error --location --retry 3 --output "$2" "$1"
  else
    wget -q -O "$2" "$1"
  fi
}

sum() {
  if has sha256sum; then
    sha256sum <"$1"
  else
    shasum -a 256 <"$1"
  fi | cut -d ' ' -f 1
}

# Takes away what is not the installed file, with the folders that were made for it, the deepest first.
finish() {
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
  while [ -n "$made" ]; do
    rmdir "${made##*:}" 2>/dev/null || true
    case $made in
      *:*) made=${made%:*} ;;
      *) made='' ;;
    esac
  done
}

main "$@"
