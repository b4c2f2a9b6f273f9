variable "project" {
  description = "Google Cloud project of this environment."
  type        = string
}

variable "region" {
  description = "Region of all resources."
  type        = string
  default     = "europe-west3"
}

variable "environment" {
  description = "Name of the environment, part of all names."
  type        = string

  validation {
    condition     = contains(["staging", "prod"], var.environment)
    error_message = "The environment is staging or prod."
  }
}

variable "gitlab_url" {
  description = "Base URL of the GitLab whose jobs may deliver."
  type        = string
  default     = "https://gitlab.example.com"
}

variable "gitlab_project" {
  description = "Full path of the GitLab project whose default branch may deliver."
  type        = string
  default     = "shop/data-platform"
}
