#!/bin/bash
# A primary that nobody manages. A standby cluster follows it.
#
# usage: remote serve      makes it and runs it; does not return
#        remote copy       keeps a copy of it as it is: the standby that falls behind from now on
#        remote fail-over  ends it, and the copy takes over at the same place, on the next timeline
#
# environment: REMOTE_USER and REMOTE_PASSWORD, the superuser; PGPORT
set -euo pipefail

readonly home=/var/lib/postgresql
readonly first=$home/first second=$home/second socket=/run/postgresql

as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups -- env HOME="$home" "$@"; }

# The server's log goes with the container's, also when the server was started from outside.
start() { as_postgres pg_ctl --pgdata="$1" --wait --silent start >/proc/1/fd/1 2>&1; }

case $1 in
serve)
    install -d -o postgres -g postgres -m 0755 "$home"
    install -d -o postgres -g postgres -m 2775 "$socket"
    install -o postgres -m 0600 <(printf '%s' "$REMOTE_PASSWORD") "$home/password"
    as_postgres initdb --pgdata="$first" --username="$REMOTE_USER" --pwfile="$home/password" \
        --encoding=UTF8 --locale=C.UTF-8 --data-checksums --no-sync >/dev/null
    # A standby may have no smaller numbers than these.
    cat >>"$first/postgresql.conf" <<END
listen_addresses = '*'
unix_socket_directories = '$socket'
wal_level = replica
wal_log_hints = on
max_connections = 60
max_wal_senders = 10
max_replication_slots = 10
wal_keep_size = 256MB
shared_buffers = 32MB
log_line_prefix = '%m [%p] %b '
log_timezone = UTC
END
    cat >"$first/pg_hba.conf" <<END
local all all trust
local replication all trust
host all all 0.0.0.0/0 scram-sha-256
host replication all 0.0.0.0/0 scram-sha-256
END
    start "$first"
    exec sleep infinity
    ;;
copy)
    as_postgres pg_basebackup --host="$socket" --username="$REMOTE_USER" --pgdata="$second" \
        --checkpoint=fast --wal-method=stream --no-sync
    as_postgres touch "$second/standby.signal"
    ;;
fail-over)
    as_postgres pg_ctl --pgdata="$first" --mode=immediate --wait --silent stop
    start "$second"
    as_postgres pg_ctl --pgdata="$second" --wait --silent promote
    as_postgres psql --host="$socket" --username="$REMOTE_USER" --dbname=postgres --no-align --tuples-only \
        --command="SELECT 'on timeline ' || ('x' || substr(pg_walfile_name(now), 1, 8))::bit(32)::int || ' from ' || now
                     FROM pg_current_wal_insert_lsn() AS now"
    ;;
*)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
    ;;
esac
