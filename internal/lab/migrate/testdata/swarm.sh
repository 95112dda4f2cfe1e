# Ten services of many kinds, in two stacks and alone, on a swarm of Docker's own.
set -e
docker swarm init --advertise-addr 127.0.0.1 >/dev/null
docker swarm update --task-history-limit 3 >/dev/null
self=$(docker node ls -q)
docker node update --label-add disk=ssd --label-add zone=a "$self" >/dev/null

docker network create --driver overlay --attachable --subnet 10.99.0.0/24 --label team=data plain >/dev/null
docker network create --driver overlay --opt encrypted sealed >/dev/null
printf 'welcome\n' | docker config create --label kind=text motd - >/dev/null
printf 'name={{.Service.Name}}\n' | docker config create --template-driver golang whoami.tmpl - >/dev/null
printf 'hunter2' | docker secret create --label kind=password db_password - >/dev/null

cat >shop.yml <<'YML'
version: "3.8"
services:
  front:
    image: skep/test:1
    networks: [front, back]
    ports: ["8080:8080"]
    labels: {traefik.enable: "true"}
    configs:
      - {source: page, target: /page.html, mode: 0444}
    deploy:
      replicas: 2
      labels: {tier: web}
      update_config: {parallelism: 1, order: start-first, delay: 1s}
  api:
    image: skep/test:1
    networks: {back: {aliases: [backend]}}
    environment: {LEVEL: debug, SECRET_FILE: /run/secrets/db_password}
    secrets:
      - {source: db_password, uid: "1000", mode: 0400}
    healthcheck: {test: [CMD, /testimage, health, "0"], interval: 1s, retries: 2}
    stop_grace_period: 2s
    deploy:
      restart_policy: {condition: on-failure, delay: 2s, max_attempts: 5}
      resources: {limits: {cpus: "0.5", memory: 64M}, reservations: {memory: 16M}}
  db:
    image: skep/test:1
    networks: [back]
    volumes: ["data:/data", "/etc:/host:ro"]
    deploy:
      placement: {constraints: [node.labels.disk == ssd]}
networks: {front: {}, back: {internal: true}}
configs: {page: {file: ./page.html}}
secrets: {db_password: {external: true}}
volumes: {data: {}}
YML
printf '<p>shop</p>\n' >page.html
docker stack deploy --resolve-image never -c shop.yml shop >/dev/null

cat >watch.yml <<'YML'
version: "3.8"
services:
  agent:
    image: skep/test:1
    ports: [{target: 8080, published: 9100, mode: host}]
    volumes: ["/var/run/docker.sock:/var/run/docker.sock"]
    deploy: {mode: global}
  store:
    image: skep/test:1
    configs: [motd, whoami.tmpl]
    deploy: {endpoint_mode: dnsrr}
  ui:
    image: skep/test:1
    ports: [{target: 8080, mode: ingress}]
configs: {motd: {external: true}, whoami.tmpl: {external: true}}
YML
docker stack deploy --resolve-image never -c watch.yml watch >/dev/null

docker service create --quiet --detach --no-resolve-image --name pinned --constraint "node.id==$self" --network plain skep/test:1 >/dev/null
docker service create --quiet --detach --no-resolve-image --name once --mode replicated-job --restart-condition none skep/test:1 exit 0 >/dev/null
docker service create --quiet --detach --no-resolve-image --name onhost --network host --env PLACE=host skep/test:1 >/dev/null
docker service create --quiet --detach --no-resolve-image --name changed --network plain --replicas 2 --hostname '{{.Task.Name}}' --log-driver json-file --log-opt max-size=1m skep/test:1 >/dev/null
docker service update --quiet --detach --env-add COLOUR=blue changed >/dev/null
