#!/bin/sh
# Makes the files of secrets that the manifests are built with: k8s/secrets/*/made-by-secrets.sh.env.
# They are ignored by git and readable by you alone. What is there already is kept; delete a file to have it made anew.
#
#   k8s/secrets.sh
#       an object store of our own (k8s/components/own-store): its keys are made up here
#   AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... k8s/secrets.sh
#       a store that is there, such as Kubeflow's own: these are its keys
set -eu
umask 077
cd "$(dirname "$0")/secrets"

random() { LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c "$1"; }

# make FOLDER: writes standard input as that folder's file, unless it is there.
make() {
  file=$1/made-by-secrets.sh.env
  if [ -e "$file" ]; then
    echo "kept k8s/secrets/$file"
  else
    cat >"$file.new"
    mv "$file.new" "$file"
    echo "made k8s/secrets/$file"
  fi
}

case ${AWS_ACCESS_KEY_ID:+id}${AWS_SECRET_ACCESS_KEY:+secret} in
id | secret)
  echo "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set: set both for a store that is there, or neither" >&2
  exit 2
  ;;
esac

make server <<END
POSTGRES_PASSWORD=$(random 40)
MLFLOW_AUTH_ADMIN_PASSWORD=$(random 40)
MLFLOW_FLASK_SERVER_SECRET_KEY=$(random 40)
END
make login <<END
MLFLOW_TRACKING_USERNAME=pipeline
MLFLOW_TRACKING_PASSWORD=$(random 40)
END
make store <<END
AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-$(random 20)}
AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-$(random 40)}
END
make own-store <<END
WEED_JWT_SIGNING_KEY=$(random 40)
WEED_JWT_SIGNING_READ_KEY=$(random 40)
WEED_JWT_FILER_SIGNING_KEY=$(random 40)
WEED_JWT_FILER_SIGNING_READ_KEY=$(random 40)
END
