"""What reading a project loads."""

import subprocess
import sys


def test_a_valid_file_loads_no_library_that_only_faults_need() -> None:
    code = (
        "import sys; from kilter.project.load import validate; validate(b'services: [redis]', 'kilter.yaml', 'shop');"
        "assert not {'jsonschema_rs', 'ruamel', 'rich', 'click'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
