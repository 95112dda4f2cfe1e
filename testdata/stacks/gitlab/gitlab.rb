external_url 'http://gitlab.example.org'
gitlab_rails['initial_root_password'] = '{{ secret "gitlab_root_password" }}'
# of {{ .Service.Name }} on {{ .Node.Hostname }}
