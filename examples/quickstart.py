# A person creates a service account and issues it a key; a program calls with that key.
#
#   pip install ./sdk/python
#   PDAAS_EMAIL=admin@myorg.example PDAAS_PASSWORD=… PDAAS_ORGANIZATION=myorg \
#     python3 examples/quickstart.py

import os

from pdaas import Client, PdaasError

base_url = os.environ.get("PDAAS_API_URL", "http://127.0.0.1:8080")

with Client(
    base_url=base_url,
    email=os.environ.get("PDAAS_EMAIL", "admin@myorg.example"),
    password=os.environ.get("PDAAS_PASSWORD", ""),
    organization_slug=os.environ.get("PDAAS_ORGANIZATION", "myorg"),
) as person:
    bot = person.service_accounts.create(
        name="CI/CD Bot",
        account_id="acc-123",
        description="Deploys what was merged",
    )
    key = person.service_accounts.issue_key(
        service_account_id=bot["id"], description="The build server's"
    )
    print(f"{bot['name']} is {bot['id']}, and its access key is {key['access_key']}")

with Client(
    base_url=base_url, access_key=key["access_key"], secret_key=key["secret_key"]
) as program:
    organization = program.organizations.get_info()
    print(f"It calls as a member of {organization['slug']} ({organization['id']})")

    try:
        program.service_accounts.create(name="Another", account_id="acc-123")
    except PdaasError as error:
        print(f"Refused: {error.code}, {error.reason}: {error.message}")
