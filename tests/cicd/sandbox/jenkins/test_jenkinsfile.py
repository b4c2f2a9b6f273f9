"""Declarative Jenkinsfiles, read or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.sandbox.jenkins.groovy import JenkinsfileError
from cicd.sandbox.jenkins.jenkinsfile import Setting, Step, parse_jenkinsfile

ROOT = Path(__file__).parents[4]
STAGES = "stages { stage('x') { steps { sh 'true' } } }"


def test_a_pipeline_in_full() -> None:
    pipeline = parse_jenkinsfile(
        r"""
        // a comment
        pipeline {
            agent { label 'linux' }
            options { timeout(time: 2, unit: 'HOURS'); disableConcurrentBuilds(); timestamps()
                      buildDiscarder(logRotator(numToKeepStr: '10')) }
            parameters {
                string(name: 'A', defaultValue: 'one', description: 'first')
                booleanParam(name: 'B', defaultValue: true)
                choice(name: 'C', choices: ['x', 'y'], description: "third")
            }
            environment { PLAIN = 'text'; SECRET = credentials('an-id') }
            stages {
                stage("Only") {
                    environment { OWN = 'o' }
                    steps {
                        checkout scm
                        echo 'it\'s'
                        sh '''
                            echo "$A" \\
                              'quoted'
                        '''
                        sh(script: 'true', label: 'named')
                    }
                }
            }
            post { always { archiveArtifacts artifacts: 'out/**', allowEmptyArchive: true } failure { echo 'no' } }
        }
        """
    )
    assert pipeline.timeout_s == 7200.0
    assert not pipeline.concurrent
    assert [(p.name, p.kind, p.default, p.choices) for p in pipeline.parameters] == [
        ("A", "StringParameterDefinition", "one", ()),
        ("B", "BooleanParameterDefinition", "true", ()),
        ("C", "ChoiceParameterDefinition", "x", ("x", "y")),
    ]
    assert pipeline.environment == {"PLAIN": Setting(text="text"), "SECRET": Setting(text="an-id", credential=True)}
    (stage,) = pipeline.stages
    assert [step.name for step in stage.steps] == ["checkout", "echo", "sh", "sh"]
    assert stage.steps[1].text == "it's"
    assert 'echo "$A" \\\n' in stage.steps[2].text
    assert stage.steps[3] == Step(name="sh", text="true")
    assert stage.environment == {"OWN": Setting(text="o")}
    assert pipeline.post["always"] == (Step(name="archiveArtifacts", text="out/**", allow_empty=True),)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (STAGES, "agent"),
        ("agent any", "stages"),
        (f"agent none tools {{ maven 'x' }} {STAGES}", "'tools' is not supported"),
        (f"agent {{ docker 'x' }} {STAGES}", "agent"),
        ("agent any stages { stage('x') { steps { script { x() } } } }", "step 'script'"),
        ("agent any stages { stage('x') { steps { build job: 'y' } } }", "step 'build'"),
        ("agent any stages { stage('x') { when { branch 'y' } steps { sh 'z' } } }", "'when' in a stage"),
        ("agent any stages { stage('x') { parallel { } } }", "'parallel' in a stage"),
        ("agent any stages { stage('x') { steps { } } }", "no steps"),
        ("agent any stages { stage('x') { steps { sh returnStatus: true, script: 'y' } } }", "returnStatus"),
        ("agent any stages { stage('x') { steps { sh \"rm ${params.A}\" } } }", "single quotes"),
        (f"agent any options {{ timeout(time: 0, unit: 'HOURS') }} {STAGES}", "timeout needs"),
        (f"agent any options {{ retry(3) }} {STAGES}", "option 'retry'"),
        (f"agent any parameters {{ file(name: 'x') }} {STAGES}", "parameter type 'file'"),
        (f"agent any parameters {{ string(defaultValue: 'x') }} {STAGES}", "needs a name"),
        (f"agent any post {{ sometimes {{ echo 'x' }} }} {STAGES}", "post condition"),
        (f"agent any environment {{ A = sh('x') }} {STAGES}", "literal"),
        ("agent any stages { stage('x') { steps { sh 'open", "unexpected"),
    ],
)
def test_what_is_refused_names_its_line(body: str, said: str) -> None:
    with pytest.raises(JenkinsfileError, match=r"WorkflowScript: \d+: ") as refused:
        parse_jenkinsfile(f"pipeline {{\n{body}\n}}\n")
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "node { sh 'x' }", f"pipeline {{ agent any {STAGES} }} x", "pipeline {"])
def test_what_is_no_declarative_pipeline(text: str) -> None:
    with pytest.raises(JenkinsfileError):
        parse_jenkinsfile(text)


@given(st.text(alphabet="pipeline{}()[]'\"$,:=\n stagesh", max_size=60))
def test_any_text_is_a_pipeline_or_a_jenkinsfile_error(text: str) -> None:
    with pytest.raises(JenkinsfileError):
        parse_jenkinsfile(f"pipeline {{ agent any {text}")


def test_the_delivery_job_of_this_project() -> None:
    pipeline = parse_jenkinsfile((ROOT / "Jenkinsfile").read_text())
    assert [parameter.name for parameter in pipeline.parameters] == [
        "SERVICE",
        "ENVIRONMENT",
        "VERSION",
        "SOURCE_REPO",
        "SOURCE_COMMIT",
        "HEADGATE_REQUEST",
    ]
    assert not pipeline.concurrent
    assert "HEADGATE_EXIT=" in pipeline.stages[-1].steps[-1].text
