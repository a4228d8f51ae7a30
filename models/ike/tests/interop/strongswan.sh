#!/usr/bin/env bash
# Interoperation with strongSwan's charon, on real sockets in two network namespaces of this script's own.
#
#   sudo models/ike/tests/interop/strongswan.sh
#
# Needs root, iproute2, a built example (`cargo build -p ipseclab-ike --example peer`; the script builds it when it can)
# and Debian's packages charon-systemd, strongswan-swanctl and libcharon-extra-plugins; it installs nothing. Each side
# begins, and each side deletes, with each of two proposals: eight tunnels. Eight more proposals, which name every other
# method, mode, MAC and PRF, are begun and deleted by each side: sixteen tunnels. For each of them charon and the endpoint
# must name the same SPIs, and both must be without SAs in the end. Then each side begins with a wrong key, which must
# be an authentication failure. Not part of the test suite: run it by hand.
#
# A kernel without ESP cannot install charon's SAs; then its kernel-libipsec plugin keeps them in user space, which makes
# charon feign a NAT, so that everything moves to port 4500. With a kernel that has ESP, port 500 is kept (mobike = no).
set -euo pipefail

LIMIT_S=60
NS_CHARON="ipseclab-charon-$$"
NS_PEER="ipseclab-peer-$$"
PSK='test psk 0123456789abcdef'
ROOT=$(cd "$(dirname "$0")/../../../.." && pwd)
PEER="${CARGO_TARGET_DIR:-$ROOT/target}/debug/examples/peer"
WORK=$(mktemp -d)
PIDS=()

fail() {
    echo "FAILED: $*" >&2
    for log in "$WORK"/*.log; do
        echo "--- $log" >&2
        tail -n 40 "$log" >&2
    done
    exit 1
}

cleanup() {
    for pid in "${PIDS[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    ip netns del "$NS_CHARON" 2>/dev/null || true
    ip netns del "$NS_PEER" 2>/dev/null || true
    rm -rf "$WORK"
}
trap cleanup EXIT

for tool in ip swanctl charon-systemd; do
    command -v "$tool" >/dev/null || { echo "missing: $tool" >&2; exit 2; }
done
[[ $(id -u) -eq 0 ]] || { echo "needs root for network namespaces" >&2; exit 2; }
[[ -x $PEER ]] || (cd "$ROOT" && cargo build -q -p ipseclab-ike --example peer)

ip netns add "$NS_CHARON"
ip netns add "$NS_PEER"
ip link add vc netns "$NS_CHARON" type veth peer name vp netns "$NS_PEER"
in_charon() { ip netns exec "$NS_CHARON" "$@"; }
in_peer() { ip netns exec "$NS_PEER" "$@"; }
in_charon ip addr add 10.99.0.1/24 dev vc
in_peer ip addr add 10.99.0.2/24 dev vp
for device in lo vc; do in_charon ip link set "$device" up; done
for device in lo vp; do in_peer ip link set "$device" up; done
in_charon ip addr add 10.98.1.1/24 dev lo

kernel=kernel-netlink
in_charon ip xfrm state add src 10.99.0.1 dst 10.99.0.2 proto esp spi 0x1000 mode tunnel \
    aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128 2>/dev/null ||
    kernel='kernel-libipsec kernel-netlink'
in_charon ip xfrm state flush
echo "charon's IPsec: $kernel"

cat >"$WORK/strongswan.conf" <<EOF
charon-systemd {
    load = random nonce openssl curve25519 gmp aes gcm sha1 sha2 md5 hmac xcbc cmac ccm ctr kdf $kernel socket-default vici updown
    plugins { vici { socket = unix://$WORK/charon.vici } }
    filelog {
        log {
            path = $WORK/charon.log
            default = 1
            flush_line = yes
        }
    }
    journal { default = -1 }
    syslog { daemon { default = -1 } }
}
swanctl { load = pem pkcs1 x509 random nonce }
EOF
ip netns exec "$NS_CHARON" env STRONGSWAN_CONF="$WORK/strongswan.conf" charon-systemd >"$WORK/stdout.log" 2>&1 &
PIDS+=($!)

deadline=$((SECONDS + LIMIT_S))
# Repeats a command until it succeeds, or this script's time is over.
until_ok() {
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "not in time: $*"
        sleep 0.1
    done
}
charonctl() { in_charon swanctl "$@" --uri "unix://$WORK/charon.vici"; }
until_ok charonctl --stats

write_swanctl() {
    cat >"$WORK/swanctl.conf" <<EOF
connections {
  net {
    version = 2
    mobike = no
    local_addrs = 10.99.0.1
    remote_addrs = 10.99.0.2
    proposals = $1
    local { auth = psk
      id = charon.example }
    remote { auth = psk
      id = peer.example }
    children { net { local_ts = 10.98.1.0/24
        remote_ts = 10.98.2.0/24
        esp_proposals = $2 } }
  }
}
secrets { ike-1 { id-a = charon.example
    id-b = peer.example
    secret = "$PSK" } }
EOF
}

field() { sed -n "s/.*[ {]$1=\([^ }]*\).*/\1/p" <<<"$2" | head -n 1; }
log_has() { grep -q "$1" "$WORK/peer.log"; }
no_sas() { [[ -z $(charonctl --list-sas --raw | grep 'list-sa event') ]]; }
has_child() { charonctl --list-sas --raw | grep -q 'state=INSTALLED'; }

# Starts the endpoint with its log in peer.log: role, key, proposals, further options.
start_peer() {
    local role=$1 psk=$2 ike=$3 esp=$4
    shift 4
    write_swanctl "$ike" "$esp"
    charonctl --load-all --file "$WORK/swanctl.conf" >"$WORK/load.log" 2>&1
    ip netns exec "$NS_PEER" "$PEER" "role=$role" local=10.99.0.2 remote=10.99.0.1 id=peer.example \
        peer_id=charon.example "psk=$psk" "proposal=$ike" "esp=$esp" local_ts=10.98.2.0-10.98.2.255 \
        remote_ts=10.98.1.0-10.98.1.255 give_up=20 "seed=$SECONDS$RANDOM" "$@" >"$WORK/peer.log" 2>&1 &
    peer_pid=$!
    PIDS+=("$peer_pid")
    until_ok log_has ready
}

# One tunnel: IKE proposal, ESP proposal, who begins, who deletes.
check() {
    local ike=$1 esp=$2 begins=$3 deletes=$4 role=responder options=() sas established child
    [[ $begins == peer ]] && role=initiator
    [[ $deletes == peer ]] && options=(delete_after=1)
    start_peer "$role" "$PSK" "$ike" "$esp" "${options[@]}"
    [[ $begins == peer ]] || charonctl --initiate --child net --timeout 10 >/dev/null || fail "charon cannot initiate"
    until_ok log_has '^child spi_in'
    until_ok has_child
    sas=$(charonctl --list-sas --raw)
    established=$(grep '^established' "$WORK/peer.log")
    child=$(grep '^child spi_in' "$WORK/peer.log")
    [[ $established == "established $(field initiator-spi "$sas") $(field responder-spi "$sas") "* ]] ||
        fail "IKE SPIs differ: $established; $sas"
    [[ $child == "child spi_in=$(field spi-out "$sas") spi_out=$(field spi-in "$sas") "* ]] ||
        fail "Child SPIs differ: $child; $sas"
    # A liveness check of ours is due after a second of silence.
    until_ok log_has 'send INFORMATIONAL'
    [[ $deletes == peer ]] || charonctl --terminate --ike net --timeout 10 >/dev/null || fail "charon cannot terminate"
    wait "$peer_pid" || fail "the peer ended with an error"
    until_ok no_sas
    echo "ok: $ike $esp, $begins begins, $deletes deletes:${established#established}; ${child#child }"
}

# A wrong key: who begins.
check_refusal() {
    local role=responder
    [[ $1 == peer ]] && role=initiator
    start_peer "$role" wrong aes256gcm16-prfsha256-x25519 aes256gcm16
    [[ $1 == peer ]] || ! charonctl --initiate --child net --timeout 10 >/dev/null 2>&1 || fail "charon was let in"
    wait "$peer_pid" && fail "a wrong key was accepted"
    log_has 'AuthenticationFailed\|WrongSecret' || fail "no authentication failure"
    until_ok no_sas
    echo "ok: $1 begins with a wrong key and is refused"
}

for begins in peer charon; do
    for deletes in peer charon; do
        check aes256gcm16-prfsha256-x25519 aes256gcm16 "$begins" "$deletes"
        check aes128-sha256-modp2048 aes128-sha256 "$begins" "$deletes"
    done
done
while read -r ike esp; do
    check "$ike" "$esp" peer peer
    check "$ike" "$esp" charon charon
done <<'LIST'
3des-md5-modp768 3des-md5
aes128ctr-aesxcbc-x448 aes128ctr-aesxcbc
aes256ccm16-prfaescmac-ecp521 aes256gcm8
aes192ccm8-prfaesxcbc-modp1024s160 aes128gcm12
aes128gcm8-prfmd5-modp2048s224 aes192-aesxcbc
aes192ctr-aescmac-modp2048s256 null-sha1
aes256gcm12-prfaescmac-modp6144 aes256ctr-sha256
aes128ccm12-prfaesxcbc-modp8192 3des-sha1
LIST
check_refusal peer
check_refusal charon
echo "all 24 tunnels came up and went down, and both wrong keys were refused"
