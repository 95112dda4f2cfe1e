"""Walks the swarm, service, node, secret, config and network calls of python3-docker and prints what each answers.

walk.py SOCKET: on an engine that is in no cluster. Everything random is replaced by words, so that two runs can be compared.
"""
import json
import re
import sys
import time

import docker
from docker import errors, types

URL = sys.argv[1]
client = docker.DockerClient(base_url=URL, timeout=60)
api = client.api
ids = {}

PLAIN = [
    (r'rpc error: code = \w+ desc = ', ''),
    (r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)', '<time>'),
    (r'SWMTKN-1-[0-9a-z]+-[0-9a-z]+', '<token>'),
    (r'SWMKEY-1-[0-9A-Za-z+/]+', '<key>'),
    (r'-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----(\\n)?', '<pem>'),
    (r'\b(?!192\.0\.2\.)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(/\d+)?\b', '<address>'),
]
# What tells of the machine, the engine, time or chance and not of the API.
FREE = {'NanoCPUs', 'MemoryBytes', 'Plugins', 'EngineVersion', 'PID', 'TLSInfo', 'Hostname', 'Index', 'DefaultAddrPool',
        'RootRotationInProgress'}
KEEP = {'Limits', 'Reservations'}  # what was asked for is not the machine's


def word(text):
    for pattern, by in PLAIN:
        text = re.sub(pattern, by, text)
    return re.sub(r'\b[0-9a-z]{25}\b|\b[0-9a-f]{64}\b', lambda m: ids.setdefault(m.group(0), '<id%d>' % (len(ids) + 1)), text)


def once(ports):
    """A port in host mode is one binding of IPv4 and one of IPv6 to Docker, and a port to skep: docs/compatibility.md."""
    return [p for i, p in enumerate(ports) if p not in ports[:i]]


def either(task):
    """Which of two slots gets the port, and so is there, is chance."""
    attached = [dict(n, Addresses='<either>') for n in task['NetworksAttachments']]
    return dict(task, Slot='<either>', NetworksAttachments=attached)


def settled(service):
    """Has the service as it is after its update: Docker changes its version meanwhile."""
    until('the update is done', lambda: service.reload() or service.attrs.get('UpdateStatus', {}).get('State') == 'completed')


def plain(value, under=''):
    if under == 'PortStatus' and isinstance(value, dict):
        value = dict(value, Ports=once(value.get('Ports', [])))
    if isinstance(value, dict):
        # A network has its number a moment after it is made.
        value = {k: v for k, v in value.items() if k != 'com.docker.network.driver.overlay.vxlanid_list'}
        return {k: ('<free>' if k in FREE and under not in KEEP and not isinstance(v, (dict, list)) or k in ('Plugins', 'TLSInfo')
                    else plain(v, k)) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [plain(v, under) for v in value]
    if isinstance(value, bytes):
        value = value.decode('utf-8', 'replace')
    return word(value) if isinstance(value, str) else value


def show(name, value):
    if hasattr(value, 'attrs'):
        value = value.attrs
    print(name, json.dumps(plain(value), sort_keys=True, default=str), flush=True)


def fails(what, call, *args, **kwargs):
    """Shows how a call is refused."""
    try:
        show(what + ' DID NOT FAIL', call(*args, **kwargs))
    except errors.APIError as e:
        show(what, {'status': e.response.status_code, 'explanation': e.explanation})
    except Exception as e:  # of the library's own making
        show(what, {'kind': type(e).__name__, 'text': str(e)})


def until(name, check, limit=150):
    end = time.time() + limit
    while time.time() < end:
        value = check()
        if value:
            return value
        time.sleep(0.1)
    print(name, 'DID NOT COME TRUE', flush=True)


IMAGE = 'skep/program:1'


def outside():
    for name, call in [('info swarm', lambda: client.swarm.attrs), ('services', client.services.list), ('nodes', client.nodes.list),
                       ('secrets', client.secrets.list), ('configs', client.configs.list), ('tasks', api.tasks),
                       ('swarm reload', client.swarm.reload), ('leave', client.swarm.leave), ('unlock', lambda: client.swarm.unlock('SWMKEY-1-x'))]:
        fails('outside: ' + name, lambda: show('outside: ' + name, call()) or 1 / 0)


def swarm():
    show('init', api.init_swarm(advertise_addr='192.0.2.10', listen_addr='0.0.0.0:2377', default_addr_pool=['10.20.0.0/16'], subnet_size=24,
                                swarm_spec=api.create_swarm_spec(snapshot_interval=5000, log_entries_for_slow_followers=1200)))
    fails('init again', client.swarm.init, advertise_addr='192.0.2.10')
    fails('join while in', client.swarm.join, remote_addrs=['192.0.2.10:2377'], join_token='x')
    client.swarm.reload()
    show('swarm', client.swarm)
    show('unlock key', api.get_unlock_key())
    show('update', client.swarm.update(rotate_worker_token=True, rotate_manager_token=True, task_history_retention_limit=7, labels={'a': 'b'}))
    client.swarm.reload()
    show('swarm updated', client.swarm)
    fails('update, old version', api.update_swarm, version=1, swarm_spec=client.swarm.attrs['Spec'])
    fails('leave, manager', client.swarm.leave)
    info = client.info()['Swarm']
    show('info', {k: info.get(k) for k in ('LocalNodeState', 'ControlAvailable', 'Error', 'Nodes', 'Managers', 'NodeAddr', 'RemoteManagers')})


def nodes():
    node = client.nodes.list()[0]
    show('node', node)
    show('node by role', [n.id for n in client.nodes.list(filters={'role': 'manager'})])
    show('node by no role', client.nodes.list(filters={'role': 'worker'}))
    fails('node by nonsense', client.nodes.list, filters={'colour': 'red'})
    fails('no node', client.nodes.get, 'nobody')
    spec = node.attrs['Spec']
    show('node update', node.update({'Availability': 'active', 'Name': 'first', 'Role': 'manager', 'Labels': {'zone': 'a'}}))
    fails('node update, old version', api.update_node, node.id, 1, spec)
    node.reload()
    fails('node update, nonsense', node.update, {'Availability': 'nowhere', 'Role': 'manager'})
    fails('demote the last', node.update, {'Availability': 'active', 'Role': 'worker'})
    show('node updated', client.nodes.get(node.id))
    fails('remove itself', api.remove_node, node.id)


def stored():
    secret = client.secrets.create(name='secret', data=b'text', labels={'of': 'secret'})
    show('secret', client.secrets.get(secret.id))
    show('secrets', [s.name for s in client.secrets.list(filters={'name': 'sec'})])
    fails('secret again', client.secrets.create, name='secret', data=b'x')
    fails('secret without a name', client.secrets.create, name='', data=b'x')
    fails('no secret', client.secrets.get, 'nothing')
    fails('secret of a driver', client.secrets.create, name='driven', data=b'x', driver=types.DriverConfig(name='nobody'))
    show('secrets by label', [s.name for s in client.secrets.list(filters={'label': 'of=nobody'})])
    config = client.configs.create(name='config', data=b'text of a config', labels={'of': 'config'})
    show('config', client.configs.get(config.id))
    show('configs', [c.name for c in client.configs.list(filters={'label': 'of=config'})])
    fails('config again', client.configs.create, name='config', data=b'x')
    fails('no config', client.configs.get, 'nothing')
    return secret, config


def networks():
    made = client.networks.create('over', driver='overlay', attachable=True, labels={'n': '1'}, scope='swarm',
                                  options={'com.docker.network.driver.mtu': '1400'},
                                  ipam=types.IPAMConfig(pool_configs=[types.IPAMPool(subnet='192.0.2.128/26', gateway='192.0.2.129')]))
    made.reload()
    show('network', made)
    show('network verbose', client.networks.get(made.id, verbose=True, scope='swarm'))
    show('networks by driver', sorted(n.name for n in client.networks.list(filters={'driver': 'overlay'})))
    show('networks by label', [n.name for n in client.networks.list(filters={'label': 'n=1'})])
    show('networks by name', [n.name for n in client.networks.list(names=['over'])])
    fails('network again', client.networks.create, 'over', driver='overlay', check_duplicate=True)
    fails('network, bad subnet', client.networks.create, 'bad', driver='overlay', ipam=types.IPAMConfig(pool_configs=[types.IPAMPool(subnet='10.20.30.0/99')]))
    fails('second ingress', api.create_network, 'ingress2', driver='overlay', ingress=True)
    fails('no network', client.networks.get, 'nothing')
    return made


def services(secret, config, network):
    client.networks.create('plain', driver='overlay')
    service = client.services.create(
        IMAGE, args=['wait'], name='web', labels={'s': '1'}, container_labels={'c': '2'}, env=['A=b', 'SLOT={{.Task.Slot}}'],
        constraints=['node.role == manager'], preferences=[('spread', 'node.labels.zone')], maxreplicas=3, platforms=[('x86_64', 'linux')],
        hostname='h-{{.Task.Slot}}', hosts={'printer': '192.0.2.9'}, dns_config=types.DNSConfig(nameservers=['192.0.2.53'], search=['example.org']),
        init=True, isolation=None, log_driver='json-file', log_driver_options={'max-size': '1m'}, mode=types.ServiceMode('replicated', replicas=2),
        mounts=['data:/data:rw', types.Mount('/tmpfs', None, type='tmpfs', tmpfs_size=1 << 20)], networks=['over'], open_stdin=True, read_only=True,
        tty=False, user='0', groups=['1'], workdir='/', stop_grace_period=2 * 10**9, stop_signal='SIGTERM', cap_add=['CAP_NET_ADMIN'], cap_drop=['CAP_MKNOD'],
        resources=types.Resources(cpu_limit=5 * 10**8, mem_limit=64 << 20, cpu_reservation=10**7, mem_reservation=4 << 20),
        restart_policy=types.RestartPolicy(condition='any', delay=10**9, max_attempts=5, window=10**10),
        update_config=types.UpdateConfig(parallelism=2, delay=0, failure_action='rollback', monitor=10**9, max_failure_ratio=0.5, order='stop-first'),
        healthcheck=types.Healthcheck(test=['NONE']),
        secrets=[types.SecretReference(secret.id, 'secret', filename='hidden', uid='5', gid='6', mode=0o440)],
        configs=[types.ConfigReference(config.id, 'config', filename='/etc/c.conf')],
        endpoint_spec=types.EndpointSpec(mode='vip', ports={8080: (80, 'tcp', 'host')}))
    until('web has its endpoint', lambda: service.reload() or service.attrs['Endpoint'].get('VirtualIPs'))
    show('service', client.services.get(service.id))
    show('service with defaults', client.services.get(service.id, insert_defaults=True))
    other = client.services.create(IMAGE, name='other', mode='global', args=['wait'], endpoint_spec=types.EndpointSpec(ports={9090: 90}))
    until('other has its endpoint', lambda: other.reload() or other.attrs['Endpoint'].get('VirtualIPs'))
    show('global', other)
    until('web runs', lambda: sum(t['Status']['State'] == 'running' for t in service.tasks()) == 1)
    until('other runs', lambda: sum(t['Status']['State'] == 'running' for t in other.tasks()) == 1)
    show('services', sorted(s.name for s in client.services.list()))
    show('services by name', [s.name for s in client.services.list(filters={'name': 'we'})])
    show('services by mode', [s.name for s in client.services.list(filters={'mode': 'global'})])
    show('services by label', [s.name for s in client.services.list(filters={'label': 's=1'})])
    fails('services by nonsense', client.services.list, filters={'colour': 'red'})
    show('services by no mode', [s.name for s in client.services.list(filters={'mode': 'sideways'})])
    fails('service again', client.services.create, IMAGE, name='web')
    fails('no service', client.services.get, 'nothing')
    fails('no image', client.services.create, '', name='empty')
    fails('bad constraint', client.services.create, IMAGE, name='x', constraints=['node.role = manager'])
    fails('secret in use', secret.remove)
    fails('config in use', config.remove)
    fails('network in use', network.remove)
    running = [t for t in service.tasks({'desired-state': 'running'}) if t['Status']['State'] == 'running']
    show('task', either(running[0]))
    show('task by id', either(api.inspect_task(running[0]['ID'])))
    waiting = [t for t in service.tasks() if t['Status']['State'] == 'pending']
    show('waiting', [t['Status'] for t in waiting])
    fails('tasks of self', api.tasks, filters={'node': 'self', 'service': 'web', 'desired-state': ['running']})
    node = client.nodes.list()[0]
    show('tasks by node', len(api.tasks(filters={'node': node.id, 'service': 'web', 'desired-state': ['running']})))
    show('tasks by name', len(api.tasks(filters={'name': 'other'})))
    fails('tasks by nonsense', api.tasks, filters={'colour': 'red'})
    fails('no task', api.inspect_task, 'nothing')
    return service, other


def changes(service, other):
    service.reload()
    show('scale', service.scale(1))
    until('web is one', lambda: len(service.tasks({'desired-state': 'running'})) == 1)
    service.reload()
    show('force', service.force_update())
    settled(service)
    show('update', service.update(image=IMAGE, args=['wait', '2'], env=['A=c'], container_labels={'c': '3'}, update_config=types.UpdateConfig(parallelism=0)))
    service.reload()
    show('updated', {k: service.attrs[k] for k in ('Spec', 'PreviousSpec')})
    until('web runs anew', lambda: any(t['Status']['State'] == 'running' and t['Spec']['ContainerSpec'].get('Args') == ['wait', '2'] for t in service.tasks({'desired-state': 'running'})))
    fails('update, old version', api.update_service, service.id, 1, task_template=service.attrs['Spec']['TaskTemplate'], name='web')
    fails('rename', api.update_service, service.id, service.version, task_template=service.attrs['Spec']['TaskTemplate'], name='elsewise')
    fails('scale a global', other.scale, 2)
    chatty = client.services.create(IMAGE, name='chatty', args=['print', 'a line', 'another'])
    until('chatty is done', lambda: b'another' in b''.join(chatty.logs(stdout=True, stderr=True)))
    show('logs', sorted(b''.join(chatty.logs(stdout=True, stderr=True, tail=2)).decode().split('\n')))
    show('logs with details', len(b''.join(chatty.logs(stdout=True, details=True, timestamps=True, tail=1))) > 100)
    fails('no logs', api.service_logs, 'nothing', stdout=True)
    chatty.remove()


def ends(secret, config, network, made):
    for s in made:
        show('remove', s.remove())
    fails('removed', client.services.get, 'web')
    until('nothing runs', lambda: not client.containers.list(all=True, ignore_removed=True))
    show('remove secret', secret.remove())
    show('remove config', config.remove())
    fails('remove secret again', secret.remove)
    show('remove network', network.remove())
    fails('remove network again', network.remove)
    # Docker needs its bridge of overlays' ways out; with skep the engine has one that nobody uses.
    pruned = client.networks.prune()
    show('prune', [n for n in pruned['NetworksDeleted'] if n != 'docker_gwbridge'])
    show('left', sorted(n.name for n in client.networks.list() if n.name != 'docker_gwbridge'))
    seen = {}
    for e in client.events(since=0, until=int(time.time()) + 1, decode=True, filters={'scope': 'swarm'}):
        name = e['Actor']['Attributes'].get('name', '')
        # Docker has forgotten the first ones by now.
        if e['Type'] in ('service', 'secret', 'config', 'network') and name not in ('bridge', 'host', 'ingress'):
            key = '%s %s %s' % (e['Type'], e['Action'], name)
            seen[key] = e.get('scope')
    show('events', seen)
    show('leave', client.swarm.leave(force=True))
    show('info at the end', client.info()['Swarm']['LocalNodeState'])


outside()
swarm()
nodes()
secret, config = stored()
network = networks()
made = services(secret, config, network)
changes(*made)
ends(secret, config, network, made)
